# SPDX-License-Identifier: Apache-2.0
"""A follower has a slow disk: each write takes long to be synced.

All nodes of the lab share one disk, so the fsync calls of this member are delayed instead.
"""

from pathlib import Path

from lab.faultinjection import etcd_members
from lab.faultinjection.context import Context, Victims
from lab.harness import etcd
from lab.harness.cluster import Node

KIND = "effect"
NEEDS = "quorum"
MESSAGE_CONTAINS = ("disk",)
LATE = "a member that waits for its disk responds too late to some requests"
COMPANIONS = {
    "test_api_server_answers": "the kube-apiserver of that node waits for its local member",
    "test_api_service_has_all_endpoints": "so it may be late to renew its endpoint",
    "test_member_is_healthy": LATE,
    "test_etcd_clients_read_only_their_prefix": LATE,
    "test_members_hold_the_same_data": LATE,
    "test_secrets_are_encrypted_in_etcd": LATE,
}
INCONCLUSIVE = LATE

SECONDS = 0.6
PROGRAM = Path(__file__).parents[1] / "programs/slow_sync.py"
COPY = f"{etcd_members.FOLDER}/slow_sync.py"
# Removes restrictions that forbid seccomp notifications; the child process reports readiness.
SERVICE = (
    "ExecStart=",
    f"ExecStart=/usr/bin/python3 {COPY} {SECONDS} /opt/heatgen/bin/etcd",
    "NotifyAccess=all",
    "SystemCallFilter=",
    "MemoryDenyWriteExecute=no",
)


def inject(context: Context) -> Victims:
    """Select the last follower, as clients connect to the first node, and delay its fsync calls."""
    leader = etcd.leader(context.control)
    node = next(each for each in reversed(context.control) if each.name != leader.name)
    context.save("member", node.name)
    folder = f"install -d -m 0755 {etcd_members.FOLDER}; cat >{COPY}; chmod 0644 {COPY}"
    node.run(folder, text=PROGRAM.read_bytes())
    etcd_members.configure(node, {}, *SERVICE)
    return Victims.of(node)


def heal(context: Context) -> None:
    """Restore the original service."""
    for node in changed(context):
        etcd_members.restore(node)


def changed(context: Context) -> list[Node]:
    """Return the selected member, if there is one."""
    return [node for node in context.control if node.name == context.saved("member")]
