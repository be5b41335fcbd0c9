# SPDX-License-Identifier: Apache-2.0
"""A worker that the stack has made is not in the cluster: its kubelet never comes."""

from lab.trial.scene import Scene, Victims, hit
from tests.lab import health

KIND = "real"
SAYS = ("journalctl -u kubelet",)
COMPANIONS: dict[str, str] = {}


def inject(scene: Scene) -> Victims:
    """Stop the kubelet, and have the cluster forget its node."""
    scene.victim.run("systemctl stop kubelet")
    scene.kubectl("delete", "node", scene.victim.name, "--ignore-not-found")
    return hit(scene.victim)


def heal(scene: Scene) -> None:
    """Start it; it makes its node itself."""
    scene.victim.run("systemctl start kubelet")
    scene.wait_for("all nodes to be Ready", 120, lambda: health.all_ready(scene.cluster))
    # A kubelet may not give itself a role.
    role = f"node-role.kubernetes.io/{scene.victim.role}="
    scene.kubectl("label", "node", scene.victim.name, role, "--overwrite")
