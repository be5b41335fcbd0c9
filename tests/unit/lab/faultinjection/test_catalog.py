# SPDX-License-Identifier: Apache-2.0
"""The modules of the faults, and the checks that declare them."""

import pytest

from conformance import layers
from conformance.faults import FAULTS
from lab.faultinjection import catalog


@pytest.mark.parametrize("name", sorted(catalog.faults()))
def test_module_says_what_it_must(name: str) -> None:
    """Each module is of a kind and has its functions; its companions are checks that exist."""
    made = catalog.fault(name)
    assert made.kind in catalog.KINDS
    assert made.needs in catalog.NEEDS
    assert made.how.endswith(".")
    for function in ("alter",) if made.replayed else ("inject", "heal"):
        assert callable(getattr(made.module, function, None)), function
    companions = [each for each in made.companions if not each.endswith("*")]
    assert set(companions) <= set(catalog.checks())
    assert not set(companions) & catalog.declared(name), "what is declared is no companion"
    assert all(made.companions.values()), "each companion has its reason"


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_has_a_module_and_a_check(name: str) -> None:
    """Nothing is only named: each fault can be made or replayed, and somebody says he sees it."""
    assert catalog.has_module(name)
    assert catalog.declared(name)


def test_all_modules_are_faults() -> None:
    """Nothing lies in the folder that is no fault's module."""
    there = {path.stem.replace("_", "-") for path in catalog.FOLDER.glob("[!_]*.py")}
    assert there <= set(FAULTS)


def test_checks_have_layers() -> None:
    """Every check of the suite is found, with the layer it belongs to."""
    found = catalog.checks()
    assert len(found) > 60
    assert {check.layer for check in found.values()} == set(layers.LAYERS)
