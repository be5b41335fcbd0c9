# SPDX-License-Identifier: Apache-2.0
"""A worker's lease is gone from etcd while the node is Ready.

Its flanneld hangs (it is stopped by a signal, so its unit counts as active) and renews nothing; the
other nodes forget the way to it.
"""

from lab.faults import _ways
from lab.faults._leases import delete, lease_of
from lab.trial.scene import Scene, Victims, hit

KIND = "real"
SAYS = ("lease",)
COMPANIONS = (
    _ways.COMPANIONS
    | _ways.HOSTS
    | {
        "test_pod_reaches_pod": "the others have no route to the node's pods any more",
    }
)
UNASKED = _ways.UNASKED


def inject(scene: Scene) -> Victims:
    """Stop flanneld where it stands, then take its lease."""
    key, _ = lease_of(scene, scene.victim)
    scene.victim.run("pkill -STOP -x flanneld")
    delete(scene, key)
    return hit(scene.victim)


def heal(scene: Scene) -> None:
    """Start flanneld anew; it leases the subnet that it had."""
    scene.victim.run("pkill -CONT -x flanneld; systemctl restart flanneld")
