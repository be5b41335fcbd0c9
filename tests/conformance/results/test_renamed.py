# SPDX-License-Identifier: Apache-2.0
"""Results from before a rename have the current names of checks when they are read."""

import json

import pytest

from conformance.report import baseline
from conformance.results import records, renamed
from conformance.results.records import FORMAT
from conformance.soak import history
from lab.faultinjection import catalog

FORMER, CURRENT = next(iter(renamed.RENAMED.items()))
RESULT = {
    "test": f"test_x.py::{FORMER}[node-1]", "check": FORMER, "layer": "", "outcome": "passed",
    "seconds": 1.0,
}  # fmt: skip


def test_only_current_names_exist() -> None:
    """Every current name is a check, and no former name is one."""
    known = set(catalog.checks())
    assert set(renamed.RENAMED.values()) <= known
    assert not set(renamed.RENAMED) & known


@pytest.mark.parametrize(
    ("name", "now"),
    [
        (FORMER, CURRENT),
        (f"test_x.py::{FORMER}[a::b]", f"test_x.py::{CURRENT}[a::b]"),
        ("test_x.py::test_other[a]", "test_x.py::test_other[a]"),
        ("the run itself", "the run itself"),
    ],
)
def test_module_and_parameters_are_kept(name: str, now: str) -> None:
    """Only the name of the check changes."""
    assert renamed.current(name) == now


def test_results_file() -> None:
    """Results in a file have current names."""
    header = {"format": FORMAT, "began": ""}
    text = "".join(json.dumps(line) + "\n" for line in (header, RESULT))
    (result,) = records.parse(text).results
    assert (result.check, result.name) == (CURRENT, f"{CURRENT}[node-1]")


def test_results_in_a_report() -> None:
    """Results that are embedded in a report have current names."""
    values = [RESULT[key] for key in baseline.EMBEDDED_FIELDS]
    plain: dict[str, object] = {
        "header": {}, "footer": {}, "cluster": None, "results": [values],
    }  # fmt: skip
    page = f'<script type="application/json" id="recording">{json.dumps(plain)}</script>'
    (result,) = baseline.read_text(page).results
    assert result.check == CURRENT


def test_history_of_a_soak() -> None:
    """Checks and failed tests of a round have current names."""
    line = {
        "round": 1, "run": "", "cluster": "", "began": 0.0, "seconds": 1.0, "exit": 1,
        "checks": {FORMER: {"outcome": "failed", "tests": 1, "seconds": 0.0}},
        "red": [{"test": RESULT["test"], "outcome": "failed", "headline": ""}],
    }  # fmt: skip
    (only,) = history.parse(json.dumps(line))
    assert list(only.checks) == [CURRENT]
    assert only.red[0].test == f"test_x.py::{CURRENT}[node-1]"
