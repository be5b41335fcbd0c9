# SPDX-License-Identifier: Apache-2.0
"""The demonstration on the other Heat, in a second lab beside this one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.harness import controller
from lab.harness.cluster import Cluster

pytestmark = pytest.mark.long

SECONDS = 2400


def test_demonstration_on_the_other_heat(cluster: Cluster, tmp_path: Path) -> None:
    """`lab/lab demo` creates a cluster on Zed or Heat 27, and the suite passes on it."""
    other = {"27": "zed", "zed": "27"}[controller.heat_version()]
    state = controller.STATE.with_name(controller.STATE.name + f"-{other}")
    environment = {**os.environ, "HEATGEN_LAB_STATE": str(state), "HEATGEN_LAB_HEAT": other}
    environment.pop("HEATGEN_LAB_CLUSTER", None)

    def lab(command: str) -> int:
        log = tmp_path / f"{command}.log"
        words = [str(controller.LAB), command]
        with log.open("wb") as output:
            result = subprocess.run(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                check=False,
            )
        print(log.read_text(errors="replace")[-4000:])
        return result.returncode

    try:
        assert lab("demo") == 0
    finally:
        assert lab("down") == 0
        shutil.rmtree(state)
