# SPDX-License-Identifier: Apache-2.0
"""kube-controller-manager is stopped on every server: what was asked for is never made."""

from lab.trial.scene import NOBODY, Scene, Victims

KIND = "real"
SAYS = ("kube-controller-manager",)
COMPANIONS = {"test_units_are_active": "the unit is not active on any server, as it says"}
UNASKED = "nobody makes the pods of workloads, or follows them"


def inject(scene: Scene) -> Victims:
    """Stop all of them; the fault is the whole cluster's."""
    scene.on(scene.control, "systemctl stop kube-controller-manager")
    return NOBODY


def heal(scene: Scene) -> None:
    """Start all of them."""
    scene.on(scene.control, "systemctl start kube-controller-manager")
