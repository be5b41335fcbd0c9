# SPDX-License-Identifier: Apache-2.0
"""The campaign that all tests are part of; without root or a lab it says so, and skips nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.faultinjection import runner
from lab.faultinjection.campaign import Campaign
from lab.harness import controller

FOLDER = "HEATGEN_FAULTS"  # the report folder, if not the lab's


@pytest.fixture(scope="session")
def campaign() -> Iterator[Campaign]:
    """Each cluster has the whole suite green before its first fault, and after the last."""
    if os.geteuid() != 0:
        pytest.exit("faults are put into clusters as root: the lab is root's", returncode=2)
    if not (controller.STATE / "lab.pid").exists():
        pytest.exit("the lab is down: run `make demo-ha` and `make demo` first", returncode=2)
    with Campaign(folder=Path(os.environ.get(FOLDER) or runner.report_folder())) as made:
        yield made
        made.end()
