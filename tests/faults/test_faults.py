# SPDX-License-Identifier: Apache-2.0
"""Each fault turns exactly the checks red that declare it, and nothing stays red after it."""

import pytest

from lab.faultinjection import catalog
from lab.faultinjection.campaign import Campaign
from lab.faultinjection.catalog import Fault
from lab.faultinjection.clusters import NoClusterError
from lab.faultinjection.runner import TrialError

FAULTS = [
    pytest.param(fault, id=name, marks=[pytest.mark.few] if fault.few else [])
    for name, fault in catalog.faults().items()
]


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault: Fault, campaign: Campaign) -> None:
    """The suite sees the fault, says where and why, and sees nothing else."""
    try:
        record = campaign.run(fault)
    except (NoClusterError, TrialError) as problem:
        pytest.fail(str(problem), pytrace=False)
    print(record.line())
    if not record.good:
        pytest.fail("\n  ".join([record.line(), *record.problems]), pytrace=False)
