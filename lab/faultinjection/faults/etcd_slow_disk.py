# SPDX-License-Identifier: Apache-2.0
"""A member that does not lead waits long for its disk, whenever it has something written.

The lab's disk is one for all, so it is the member's own calls (fsync) that take longer.
"""

from pathlib import Path

from lab.faultinjection import etcd_members
from lab.faultinjection.context import Context, Victims, hit
from lab.harness import etcd
from lab.harness.cluster import Node

KIND = "effect"
NEEDS = "quorum"
SAYS = ("disk",)
LATE = "a member that waits for its disk answers some questions too late"
COMPANIONS = {
    "test_api_server_answers": "that server's kube-apiserver waits for its own member",
    "test_api_service_leads_to_every_server": "so it may be late to say that it is there",
    "test_member_is_healthy": LATE,
    "test_clients_read_their_own_only": LATE,
    "test_members_hold_the_same_data": LATE,
    "test_secrets_rest_encrypted": LATE,
}
UNASKED = LATE

SECONDS = 0.6
PROGRAM = Path(__file__).parents[1] / "programs/slow_sync.py"
COPY = f"{etcd_members.FOLDER}/slow_sync.py"
# Without what keeps the service from asking the kernel for this; its child says that it is ready.
SERVICE = (
    "ExecStart=",
    f"ExecStart=/usr/bin/python3 {COPY} {SECONDS} /opt/heatgen/bin/etcd",
    "NotifyAccess=all",
    "SystemCallFilter=",
    "MemoryDenyWriteExecute=no",
)


def inject(context: Context) -> Victims:
    """Choose the last follower, and have its syncs answered late: users reach the first server."""
    leader = etcd.leader(context.control)
    node = next(each for each in reversed(context.control) if each.name != leader.name)
    context.keep("member", node.name)
    folder = f"install -d -m 0755 {etcd_members.FOLDER}; cat >{COPY}; chmod 0644 {COPY}"
    node.run(folder, text=PROGRAM.read_bytes())
    etcd_members.change(node, {}, *SERVICE)
    return hit(node)


def heal(context: Context) -> None:
    """Let it run as it was made."""
    for node in changed(context):
        etcd_members.restore(node)


def changed(context: Context) -> list[Node]:
    """The member that was chosen, if one was."""
    return [node for node in context.control if node.name == context.kept("member")]
