# SPDX-License-Identifier: Apache-2.0
"""A worker's kubelet is stopped; after forty seconds the cluster gives its node up."""

from lab.faults import _ways
from lab.trial.scene import Scene, Victims, hit

KIND = "real"
SAYS = ("kubelet",)
COMPANIONS: dict[str, str] = {}
UNASKED = "nothing starts on a node without a kubelet, so it cannot be asked"


def inject(scene: Scene) -> Victims:
    """Stop it, and wait until its node is not Ready."""
    scene.victim.run("systemctl stop kubelet")
    _ways.await_not_ready(scene, 90)
    return hit(scene.victim)


def heal(scene: Scene) -> None:
    """Start it."""
    scene.victim.run("systemctl start kubelet")
