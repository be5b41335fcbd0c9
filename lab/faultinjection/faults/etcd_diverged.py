# SPDX-License-Identifier: Apache-2.0
"""A member holds other data than the rest, a learner is stuck, and a fourth voter never started.

One value is changed in a member's file while it is stopped: pages of its database have no
checksums, so it notices nothing, as with a disk that lies. The two new members are listed, and run
nowhere.
"""

import functools

from lab.faultinjection import etcd_members
from lab.faultinjection.context import Context, Victims, hit
from lab.harness.cluster import Node

KIND = "real"
NEEDS = "quorum"
SAYS = ("learner", "hash")
COMPANIONS: dict[str, str] = {}

KEY = "/heatgen/fault"
SOUND, OTHER = "heatgen-sound-5f2c71e09a3b48d6", "heatgen-other-5f2c71e09a3b48d6"
GHOSTS = {"ghost-learner": ("192.0.2.250", "--learner"), "ghost-voter": ("192.0.2.251", "")}
# Words that are there are exchanged in the file; none is longer than the other.
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
    """Write a value, change it in one place, then add members that never come."""
    first, last = context.control[0], context.control[-1]
    etcd_members.as_root(first, f"etcdctl put {KEY} {SOUND}")
    context.wait_for(
        "the value at the last member", 20, lambda: SOUND in etcd_members.as_root(last, look(SOUND))
    )
    last.run(EXCHANGE.format(old=SOUND, new=OTHER))
    for name, (address, kind) in GHOSTS.items():
        add = f"etcdctl member add {name} {kind} --peer-urls https://{address}:2380 2>&1 || true"
        context.wait_for(f"{name} to be taken in", 60, functools.partial(is_added, first, add))
    return hit(last)


def heal(context: Context) -> None:
    """Forget the two, and put the value right where it was changed."""
    last = context.control[-1]
    etcd_members.as_root(context.control[0], REMOVE)
    last.run(EXCHANGE.format(old=OTHER, new=SOUND))
    etcd_members.as_root(context.control[0], f"etcdctl del {KEY}")


def is_added(node: Node, add: str) -> bool:
    """Try to add a member; is it one now? etcd refuses while it does not trust in its members."""
    return " added " in etcd_members.as_root(node, add)


def look(value: str) -> str:
    """Read the key at that member itself; the value, if it is there."""
    return f"etcdctl get {KEY} --consistency s | grep {value} || true"
