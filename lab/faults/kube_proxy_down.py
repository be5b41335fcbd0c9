# SPDX-License-Identifier: Apache-2.0
"""kube-proxy is stopped on a worker; its rules stay, so whatever is old goes on to work."""

from lab.trial.scene import Scene, Victims, hit

KIND = "real"
FEW = True
COMPANIONS = {
    "test_endpoints_follow_a_scale_up_and_down": "it may ask on that very node",
}
UNASKED = "a client by UDP on that node has no answer to begin with"


def inject(scene: Scene) -> Victims:
    """Stop it on one worker."""
    scene.victim.run("systemctl stop kube-proxy")
    return hit(scene.victim)


def heal(scene: Scene) -> None:
    """Start it."""
    scene.victim.run("systemctl start kube-proxy")
