# SPDX-License-Identifier: Apache-2.0
"""A member has different data, a learner is stuck, and a fourth voting member never started.

One value is changed in the database file of a member while it is stopped. The pages of the database
have no checksums, so the member does not notice, as with a corrupt disk. The two new members are
listed, but run nowhere.
"""

import functools

from lab.faultinjection import etcd_members
from lab.faultinjection.context import Context, Victims
from lab.harness.cluster import Node

KIND = "real"
NEEDS = "quorum"
MESSAGE_CONTAINS = ("learner", "hash")
COMPANIONS: dict[str, str] = {}

KEY = "/heatgen/fault"
SOUND, OTHER = "heatgen-sound-5f2c71e09a3b48d6", "heatgen-other-5f2c71e09a3b48d6"
GHOSTS = {"ghost-learner": ("192.0.2.250", "--learner"), "ghost-voter": ("192.0.2.251", "")}
# Replaces bytes in the file; both values have the same length.
EXCHANGE = """
systemctl stop etcd
python3 - <<'END'
from pathlib import Path
file = Path("/var/lib/etcd/member/snap/db")
with file.open("r+b") as database:
    content = database.read()
    at = content.find(b"{old}")
    while at >= 0:
        database.seek(at)
        database.write(b"{new}")
        at = content.find(b"{old}", at + 1)
END
systemctl start etcd
"""
REMOVE = """
etcdctl member list | awk -F ', ' '$4 ~ /192\\.0\\.2\\.25[01]:/ {print $1}' | while read -r id; do
    etcdctl member remove "$id"
done
"""


def inject(context: Context) -> Victims:
    """Write a value, change it on one member, then add members that never start."""
    first, last = context.control[0], context.control[-1]
    etcd_members.as_root(first, f"etcdctl put {KEY} {SOUND}")
    context.wait_for(
        "the value on the last member", 20, lambda: SOUND in etcd_members.as_root(last, find(SOUND))
    )
    last.run(EXCHANGE.format(old=SOUND, new=OTHER))
    for name, (address, kind) in GHOSTS.items():
        add = f"etcdctl member add {name} {kind} --peer-urls https://{address}:2380 2>&1 || true"
        context.wait_for(f"addition of {name}", 60, functools.partial(is_added, first, add))
    return Victims.of(last)


def heal(context: Context) -> None:
    """Remove the two members, and restore the changed value."""
    last = context.control[-1]
    etcd_members.as_root(context.control[0], REMOVE)
    last.run(EXCHANGE.format(old=OTHER, new=SOUND))
    etcd_members.as_root(context.control[0], f"etcdctl del {KEY}")


def is_added(node: Node, add: str) -> bool:
    """Add a member; return whether etcd accepted it. It refuses while members are unhealthy."""
    return " added " in etcd_members.as_root(node, add)


def find(value: str) -> str:
    """Return a command that prints the value if the local member has it."""
    return f"etcdctl get {KEY} --consistency s | grep {value} || true"
