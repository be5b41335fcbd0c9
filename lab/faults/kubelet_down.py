# SPDX-License-Identifier: Apache-2.0
"""A worker's kubelet is stopped; after forty seconds the cluster gives its node up."""

from lab.trial.scene import Scene, Victims, hit
from tests.lab import health

KIND = "real"
SAYS = ("kubelet",)
COMPANIONS: dict[str, str] = {}
UNASKED = "nothing starts on a node without a kubelet, so it cannot be asked"


def inject(scene: Scene) -> Victims:
    """Stop it, and wait until its node is not Ready."""
    scene.victim.run("systemctl stop kubelet")
    scene.wait_for(
        f"{scene.victim.name} to be given up",
        90,
        lambda: health.node_states(scene.cluster).get(scene.victim.name) != "True",
    )
    return hit(scene.victim)


def heal(scene: Scene) -> None:
    """Start it."""
    scene.victim.run("systemctl start kubelet")
