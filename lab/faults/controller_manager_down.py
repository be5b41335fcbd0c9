# SPDX-License-Identifier: Apache-2.0
"""kube-controller-manager is stopped on every server: what was asked for is never made."""

from lab.trial.scene import NOBODY, Scene, Victims

KIND = "real"
SAYS = ("kube-controller-manager",)
COMPANIONS: dict[str, str] = {}
UNASKED = "nobody makes the probes' pods, nor those of any workload"


def inject(scene: Scene) -> Victims:
    """Stop all of them; the fault is the whole cluster's."""
    scene.on(scene.control, "systemctl stop kube-controller-manager")
    return NOBODY


def heal(scene: Scene) -> None:
    """Start all of them."""
    scene.on(scene.control, "systemctl start kube-controller-manager")
