# SPDX-License-Identifier: Apache-2.0
"""Who makes what the tests look at: one module a topic, each with a function `scene`."""

from collections.abc import Callable

from conformance import path_scene, placing, pulls, rights, stage, workloads
from conformance.stage import Manifest, Run

SCENES: list[Callable[[Run], list[Manifest]]] = [
    stage.scene,
    path_scene.scene,
    placing.scene,
    workloads.scene,
    rights.scene,
    pulls.scene,
]


def everything(run: Run) -> list[Manifest]:
    """All of it, to be made in one go."""
    return [manifest for scene in SCENES for manifest in scene(run)]
