# SPDX-License-Identifier: Apache-2.0
"""Each fault turns exactly the checks red that declare it, and nothing stays red after it."""

import pytest

from lab.trial import catalog
from lab.trial.catalog import Fault
from lab.trial.clusters import NoClusterError
from lab.trial.sweep import Sweep
from lab.trial.trial import TrialError

FAULTS = [
    pytest.param(fault, id=name, marks=[pytest.mark.few] if fault.few else [])
    for name, fault in catalog.faults().items()
]


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault: Fault, sweep: Sweep) -> None:
    """The suite sees the fault, says where and why, and sees nothing else."""
    try:
        record = sweep.hold(fault)
    except (NoClusterError, TrialError) as problem:
        pytest.fail(str(problem), pytrace=False)
    print(record.line())
    if not record.good:
        pytest.fail("\n  ".join([record.line(), *record.problems]), pytrace=False)
