# SPDX-License-Identifier: Apache-2.0
"""etcd is stopped on two of three control-plane nodes: writes fail, and API requests time out."""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims

KIND = "real"
NEEDS = "quorum"
MESSAGE_CONTAINS = ("etcd",)
COMPANIONS = {
    "test_leader_is_alive": "a leader cannot renew its lease while etcd rejects writes",
    "test_node_lease_is_fresh": "a kubelet cannot renew its lease either",
}
INCONCLUSIVE = "no object can be created, so no probe pod runs on any node"
GREEN_SECONDS = 180.0


def inject(context: Context) -> Victims:
    """Stop all members except the first."""
    context.run_on(context.control[1:], "systemctl stop etcd")
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Start them at the same time: each waits for the other."""
    context.run_on(context.control[1:], "systemctl start etcd")
