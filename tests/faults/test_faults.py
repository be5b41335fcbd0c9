# SPDX-License-Identifier: Apache-2.0
"""Each fault turns exactly the checks red that declare it, and nothing stays red after it."""

from pathlib import Path

import pytest

from lab.trial import catalog, trial
from lab.trial.catalog import Fault
from tests.faults.conftest import SceneFor

FAULTS = [
    pytest.param(fault, id=name, marks=[pytest.mark.few] if fault.few else [])
    for name, fault in catalog.faults().items()
]


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault: Fault, scene_for: SceneFor, folder: Path) -> None:
    """The suite sees the fault, says where and why, and sees nothing else."""
    if fault.replayed:
        record = trial.replay(fault, folder)
    else:
        record = trial.hold(fault, scene_for(fault), folder)
    print(record.line())
    assert record.good, "\n".join([record.line(), *record.problems])
