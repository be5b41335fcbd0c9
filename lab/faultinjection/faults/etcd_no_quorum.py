# SPDX-License-Identifier: Apache-2.0
"""etcd is stopped on two of three servers: nobody can write, and the API waits for its store."""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims

KIND = "real"
NEEDS = "quorum"
SAYS = ("etcd",)
COMPANIONS = {
    "test_leader_is_alive": "a leader whose store takes nothing cannot renew its lease",
    "test_node_lease_is_fresh": "nor can a kubelet",
}
UNASKED = "nothing can be made in the cluster, so no node can be asked"
GREEN_SECONDS = 180.0


def inject(context: Context) -> Victims:
    """Stop the members of all servers but the first."""
    context.on(context.control[1:], "systemctl stop etcd")
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Start them, together: each waits for the other."""
    context.on(context.control[1:], "systemctl start etcd")
