# SPDX-License-Identifier: Apache-2.0
"""With each fault, exactly the checks that declare it are red; after healing all checks pass."""

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
    """The suite detects the fault, names place and cause, and reports nothing else."""
    try:
        record = campaign.run(fault)
    except (NoClusterError, TrialError) as problem:
        pytest.fail(str(problem), pytrace=False)
    print(record.summary())
    if not record.passed:
        pytest.fail("\n  ".join([record.summary(), *record.problems]), pytrace=False)
