# SPDX-License-Identifier: Apache-2.0
"""Which clusters are broken: sound before, looked at as a whole once more after all faults."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.trial import clusters, report, trial
from lab.trial.catalog import Fault
from lab.trial.scene import Scene
from tests.lab import controller

SceneFor = Callable[[Fault], Scene]


@pytest.fixture(scope="session")
def folder() -> Path:
    """The report folder."""
    if os.geteuid() != 0:
        pytest.exit("faults are injected as root: the lab is root's", returncode=2)
    if not (controller.STATE / "lab.pid").exists():
        pytest.exit("the lab is down: run `make demo-ha` and `make demo` first", returncode=2)
    made = Path(os.environ.get("HEATGEN_FAULTS_FOLDER") or trial.report_folder())
    made.mkdir(parents=True, exist_ok=True)
    return made


@pytest.fixture(scope="session")
def scene_for(folder: Path) -> Iterator[SceneFor]:
    """The scene for a fault; each cluster has the whole suite green before and after all faults."""
    scenes: dict[str, Scene] = {}

    def choose(fault: Fault) -> Scene:
        try:
            cluster = clusters.choose(fault)
        except clusters.NoClusterError as problem:
            pytest.fail(str(problem), pytrace=False)
        if cluster.name not in scenes:
            scenes[cluster.name] = clusters.scene(cluster)
            trial.baseline(scenes[cluster.name], folder)
        return scenes[cluster.name]

    yield choose
    report.write(folder)
    for scene in scenes.values():
        trial.baseline(scene, folder)
