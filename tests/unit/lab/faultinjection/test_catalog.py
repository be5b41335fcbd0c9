# SPDX-License-Identifier: Apache-2.0
"""Fault modules, and the checks that declare the faults."""

import pytest

from conformance import layers
from conformance.faults import FAULTS
from lab.faultinjection import catalog


@pytest.mark.parametrize("name", sorted(catalog.faults()))
def test_module_defines_required_attributes(name: str) -> None:
    """Each module has a kind and the functions of that kind; its companions are existing checks."""
    fault = catalog.fault(name)
    assert fault.kind in catalog.KINDS
    assert fault.needs in catalog.NEEDS
    assert fault.description.endswith(".")
    for function in ("alter",) if fault.replayed else ("inject", "heal"):
        assert callable(getattr(fault.module, function, None)), function
    companions = [each for each in fault.companions if not each.endswith("*")]
    assert set(companions) <= set(catalog.checks())
    assert not set(companions) & catalog.declared(name), "a declaring check is not a companion"
    assert all(fault.companions.values()), "each companion has a reason"


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_has_a_module_and_a_check(name: str) -> None:
    """Each fault has a module, and at least one check declares it."""
    assert catalog.has_module(name)
    assert catalog.declared(name)


def test_all_modules_are_faults() -> None:
    """Each module in the folder belongs to a fault."""
    modules = {path.stem.replace("_", "-") for path in catalog.FOLDER.glob("[!_]*.py")}
    assert modules <= set(FAULTS)


def test_checks_have_layers() -> None:
    """Every check of the suite is found, with its layer."""
    found = catalog.checks()
    assert len(found) > 60
    assert {check.layer for check in found.values()} == set(layers.LAYERS)
