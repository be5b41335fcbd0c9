# SPDX-License-Identifier: Apache-2.0
"""A member's database is near its quota, and mostly holes: much was written, deleted, compacted."""

from lab.trial import members
from lab.trial.scene import Scene, Victims, hit

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


def inject(scene: Scene) -> Victims:
    """Make holes in all databases, and the quota of one a little larger than its file."""
    node = scene.control[-1]
    members.as_root(node, FILL)
    quota = int(members.size(node) / SHARE)
    members.change(node, {"ETCD_QUOTA_BACKEND_BYTES": str(quota)})
    members.settle(scene)
    return hit(node)


def heal(scene: Scene) -> None:
    """Its own quota again, and no holes in any database."""
    members.restore(scene.control[-1])
    members.as_root(
        scene.control[-1],
        "etcdctl del --prefix /heatgen/fault/ >/dev/null; etcdctl alarm disarm >/dev/null",
    )
    for node in scene.control:
        members.as_root(node, "etcdctl defrag")
