# SPDX-License-Identifier: Apache-2.0
"""A worker bears a taint that nobody ordered, as after a drain or a trial that was forgotten."""

from lab.trial.scene import Scene, Victims, hit

KIND = "real"
FEW = True
SAYS = ("heatgen-fault",)
COMPANIONS: dict[str, str] = {}

TAINT = "heatgen-fault=forgotten:NoSchedule"


def inject(scene: Scene) -> Victims:
    """Taint one worker."""
    scene.kubectl("taint", "node", scene.victim.name, TAINT, "--overwrite")
    return hit(scene.victim)


def heal(scene: Scene) -> None:
    """Take the taint away, if it is there."""
    scene.kubectl("taint", "node", scene.victim.name, f"{TAINT}-", check=False)
