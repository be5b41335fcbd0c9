# SPDX-License-Identifier: Apache-2.0
"""The campaign that all tests share. Without root or the lab it aborts instead of skipping."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.faultinjection import runner
from lab.faultinjection.campaign import Campaign
from lab.harness import controller

FOLDER = "HEATGEN_FAULTS"  # report folder; default: the one of the lab


@pytest.fixture(scope="session")
def campaign() -> Iterator[Campaign]:
    """Run the whole suite on each cluster before its first fault, and after the last one."""
    if os.geteuid() != 0:
        pytest.exit("fault injection requires root, which owns the lab", returncode=2)
    if not (controller.STATE / "lab.pid").exists():
        pytest.exit("the lab is down: run `make demo-ha` and `make demo` first", returncode=2)
    with Campaign(folder=Path(os.environ.get(FOLDER) or runner.report_folder())) as shared:
        yield shared
        shared.verify_clusters()
