# SPDX-License-Identifier: Apache-2.0
"""A member's database is over its quota: it raises the alarm NOSPACE, and all refuse to write.

It really is: the quota of one member is made smaller than its database, and something is written.
"""

from lab.faultinjection import etcd_members
from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims

KIND = "real"
SAYS = ("space exceeded", "NOSPACE")
COMPANIONS = {
    "test_leader_is_alive": "a leader whose store takes nothing cannot renew its lease",
    "test_node_lease_is_fresh": "nor can a kubelet",
}
UNASKED = "nothing can be made in the cluster, so no node can be asked"
GREEN_SECONDS = 180.0

WRITE = "etcdctl put /heatgen/fault 1 2>&1 || true"


def inject(context: Context) -> Victims:
    """Let the last server's member be full, and write there until it says so."""
    node = context.control[-1]
    quota = etcd_members.size(node) // 2
    etcd_members.change(node, {"ETCD_QUOTA_BACKEND_BYTES": str(quota)})
    context.wait_for("the alarm", 60, lambda: "space exceeded" in etcd_members.as_root(node, WRITE))
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Its own quota again, and the alarm is off."""
    node = context.control[-1]
    etcd_members.restore(node)
    etcd_members.as_root(node, "etcdctl alarm disarm; etcdctl del /heatgen/fault")
