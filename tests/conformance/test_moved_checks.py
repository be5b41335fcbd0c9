# SPDX-License-Identifier: Apache-2.0
"""A check that has moved to another module is recognized by its name and parameters.

``recorded/moved`` contains a run and two rounds of a soak of the fault vxlan-one-way, recorded when
the checks were in other modules (test_packets, test_kvstore, ...).
"""

import ast
import gzip
from pathlib import Path

import pytest

import conformance.tests
from conformance.report import baseline
from conformance.results import records
from conformance.soak import history, summary
from conformance.soak.driver import lines_of
from lab.faultinjection import catalog, recordings
from tests.conformance.conftest import run_suite

MOVED = recordings.FOLDER / "moved"
FACTS = recordings.FAULTY / "vxlan-one-way.json.gz"
CHOSEN = ("-m", "network or services")


def unpacked(name: str) -> str:
    """Return the text of a recording made before the move."""
    return gzip.decompress((MOVED / name).read_bytes()).decode()


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results of the same run today."""
    file = tmp_path_factory.mktemp("now") / "results.jsonl"
    run_suite("--replay", FACTS, "--results", file, *CHOSEN)
    return file


def test_names_of_checks_are_unique() -> None:
    """No two modules have a check of the same name."""
    names = [
        part.name
        for folder in conformance.tests.__path__
        for path in Path(folder).glob("test_*.py")
        for part in ast.parse(path.read_text()).body
        if isinstance(part, ast.FunctionDef) and part.name.startswith("test_")
    ]
    assert len(names) > 100
    assert sorted(names) == sorted(set(names))


ADDED = {"test_upstream_name_servers_are_not_local"}
"""Checks that did not exist when the results were recorded."""


def test_baseline_from_before_the_move(now: Path) -> None:
    """Old results contain every test; none is worse, better or removed, and new ones are listed."""
    before, today = records.parse(unpacked("results.jsonl.gz")), records.read(now)
    modules = {result.test.partition("::")[0] for result in before.results}
    assert "test_packets.py" in modules
    assert not modules & {"test_pod_network.py", "test_flannel.py"}
    changes = baseline.compare(today, before)
    assert len(changes.still) == 19
    assert not any((changes.worse, changes.better, changes.removed))
    assert set(changes.new) == ADDED


def test_history_from_before_the_move(now: Path, tmp_path: Path) -> None:
    """Rounds before and after the move have the same checks."""
    file = tmp_path / "soak.jsonl"
    file.write_text(unpacked("soak.jsonl.gz"))
    for number in (3, 4):
        result = history.round_of(
            records.read(now), None, 1, round=number, cluster="", began=2e9, seconds=1.0
        )
        history.append(file, result)
    rounds = history.read(file)
    assert len(rounds) == 4
    found = {each.check: each for each in summary.check_histories(rounds)}
    assert all(len(each.marks) == 4 and len(set(each.marks)) == 1 for each in found.values())
    assert found["test_pod_reaches_pod"].marks == "FFFF"
    lines = lines_of(summary.summarize(rounds))
    assert "test_pod_reaches_pod: red in 4 of 4 rounds (51.0 to 100.0 %)" in lines


def test_recorded_trials_name_existing_checks() -> None:
    """Recorded fault trials contain only names of existing checks."""
    known = set(catalog.checks())
    assert {check for trial in recordings.trials().values() for check in trial.red} <= known
