# SPDX-License-Identifier: Apache-2.0
"""kube-scheduler is stopped on every server of the control plane."""

from lab.trial.scene import NOBODY, Scene, Victims

KIND = "real"
FEW = True
SAYS = ("kube-scheduler",)
COMPANIONS = {"test_units_are_active": "the unit is not active on any server, as it says"}
UNASKED = "nobody gives pods a node"


def inject(scene: Scene) -> Victims:
    """Stop all of them; the fault is the whole cluster's."""
    scene.on(scene.control, "systemctl stop kube-scheduler")
    return NOBODY


def heal(scene: Scene) -> None:
    """Start all of them."""
    scene.on(scene.control, "systemctl start kube-scheduler")
