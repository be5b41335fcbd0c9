# SPDX-License-Identifier: Apache-2.0
"""A member's database exceeds its quota: it raises the alarm NOSPACE, and etcd rejects writes.

The quota of one member is set below the size of its database, and a key is written.
"""

from lab.faultinjection import etcd_members
from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("space exceeded", "NOSPACE")
COMPANIONS = {
    "test_leader_is_alive": "a leader cannot renew its lease while etcd rejects writes",
    "test_node_lease_is_fresh": "a kubelet cannot renew its lease either",
}
INCONCLUSIVE = "no object can be created, so no probe pod runs on any node"
GREEN_SECONDS = 180.0

WRITE = "etcdctl put /heatgen/fault 1 2>&1 || true"


def inject(context: Context) -> Victims:
    """Reduce the quota of the last member, and write to it until it raises the alarm."""
    node = context.control[-1]
    quota = etcd_members.database_size(node) // 2
    etcd_members.configure(node, {"ETCD_QUOTA_BACKEND_BYTES": str(quota)})
    context.wait_for(
        "the alarm NOSPACE", 60, lambda: "space exceeded" in etcd_members.as_root(node, WRITE)
    )
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Restore the quota, and disarm the alarm."""
    node = context.control[-1]
    etcd_members.restore(node)
    etcd_members.as_root(node, "etcdctl alarm disarm; etcdctl del /heatgen/fault")
