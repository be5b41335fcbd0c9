# SPDX-License-Identifier: Apache-2.0
"""A member's database is near its quota, and mostly holes: much was written, deleted, compacted."""

from lab.faultinjection import etcd_members
from lab.faultinjection.context import Context, Victims, hit

KIND = "real"
SAYS = ("quota", "defrag")
COMPANIONS: dict[str, str] = {}

# Forty values of a megabyte, gone again; what is deleted and compacted is free, but in the file.
FILL = """
for number in $(seq 40); do
    head -c 1000000 /dev/zero | tr '\\0' x | etcdctl put /heatgen/fault/$number >/dev/null
done
etcdctl del --prefix /heatgen/fault/ >/dev/null
revision=$(etcdctl endpoint status -w json | grep -o '"revision":[0-9]*' | cut -d : -f 2)
etcdctl compact --physical "$revision"
"""
SHARE = 0.94  # of the quota; what is written while the suite runs goes into the holes


def inject(context: Context) -> Victims:
    """Make holes in all databases, and the quota of one a little larger than its file."""
    node = context.control[-1]
    etcd_members.as_root(node, FILL)
    quota = int(etcd_members.size(node) / SHARE)
    etcd_members.change(node, {"ETCD_QUOTA_BACKEND_BYTES": str(quota)})
    etcd_members.settle(context)
    return hit(node)


def heal(context: Context) -> None:
    """Its own quota again, and no holes in any database."""
    etcd_members.restore(context.control[-1])
    etcd_members.as_root(
        context.control[-1],
        "etcdctl del --prefix /heatgen/fault/ >/dev/null; etcdctl alarm disarm >/dev/null",
    )
    for node in context.control:
        etcd_members.as_root(node, "etcdctl defrag")
