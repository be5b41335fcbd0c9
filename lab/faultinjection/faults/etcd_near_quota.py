# SPDX-License-Identifier: Apache-2.0
"""A member's database is near its quota and mostly free space, after deletions and compaction."""

from lab.faultinjection import etcd_members
from lab.faultinjection.context import Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("quota", "defrag")
COMPANIONS: dict[str, str] = {}

# Writes and deletes 40 values of 1 MB; after compaction their space is free, but not released.
FILL = """
for number in $(seq 40); do
    head -c 1000000 /dev/zero | tr '\\0' x | etcdctl put /heatgen/fault/$number >/dev/null
done
etcdctl del --prefix /heatgen/fault/ >/dev/null
revision=$(etcdctl endpoint status -w json | grep -o '"revision":[0-9]*' | cut -d : -f 2)
etcdctl compact --physical "$revision"
"""
SHARE = 0.94  # of the quota; writes while the suite runs use the free space


def inject(context: Context) -> Victims:
    """Fragment all databases, and set the quota of one slightly above its size."""
    node = context.control[-1]
    etcd_members.as_root(node, FILL)
    quota = int(etcd_members.database_size(node) / SHARE)
    etcd_members.configure(node, {"ETCD_QUOTA_BACKEND_BYTES": str(quota)})
    etcd_members.await_settled(context)
    return Victims.of(node)


def heal(context: Context) -> None:
    """Restore the quota, and defragment all databases."""
    etcd_members.restore(context.control[-1])
    etcd_members.as_root(
        context.control[-1],
        "etcdctl del --prefix /heatgen/fault/ >/dev/null; etcdctl alarm disarm >/dev/null",
    )
    for node in context.control:
        etcd_members.as_root(node, "etcdctl defrag")
