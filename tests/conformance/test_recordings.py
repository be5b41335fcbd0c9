# SPDX-License-Identifier: Apache-2.0
"""Checks on recorded facts of healthy and faulty clusters, without a cluster."""

import json
import re
from pathlib import Path

import pytest

from conformance.facts import serialization
from conformance.results.records import Result
from lab.faultinjection import catalog, recordings, results, verdict
from lab.faultinjection.context import Victims
from lab.faultinjection.results import Results
from tests.conformance.conftest import run_suite

SOUND = sorted(recordings.SOUND.glob("*.json.gz"))
FAULTY = sorted(recordings.FAULTY.glob("*.json.gz"))
REPLAYED = [name for name, fault in catalog.faults().items() if fault.replayed]
# A key, a certificate, a token of a service account or of kubeadm, anything long in base64.
SECRET = re.compile(
    r"BEGIN |eyJ[A-Za-z0-9]|\b[a-z0-9]{6}\.[a-z0-9]{16}\b|"
    r"(?=[A-Za-z0-9+]*[G-Zg-z])(?=[A-Za-z0-9+]*[0-9])[A-Za-z0-9+]{40,}"
)


def stem(path: Path) -> str:
    """Return the name of a recording."""
    return path.name.partition(".")[0]


def run_checks(facts: Path, folder: Path) -> Results:
    """Run the suite on a recording."""
    file = folder / "results.jsonl"
    ran = run_suite("--replay", facts, "--results", file)
    return Results(tests=results.read(file), exit=ran.exit_status, printed=ran.printed, seconds=0.0)


def evaluated(tests: list[Result]) -> set[str]:
    """Return the checks that were not skipped, as a recording is sufficient for them."""
    return {test.check for test in tests if test.outcome != "skipped"}


@pytest.mark.parametrize("path", SOUND, ids=stem)
def test_healthy_cluster_passes(path: Path, tmp_path: Path) -> None:
    """A recording of a healthy cluster passes all checks."""
    ran = run_checks(path, tmp_path)
    assert ran.exit == 0, ran.printed
    assert ran.evaluated > 150


@pytest.mark.parametrize("path", FAULTY, ids=stem)
def test_fault_is_detected_in_its_recording(path: Path, tmp_path: Path) -> None:
    """Of the checks that need only facts, exactly those that declare the fault fail."""
    fault, trial = catalog.fault(stem(path)), recordings.trials()[stem(path)]
    ran = run_checks(path, tmp_path)
    declared = catalog.declared(fault.name) & evaluated(ran.tests)
    found = verdict.evaluate(fault, declared, Victims(tuple(trial.victims)), ran)
    active_only = {verdict.UNDECLARED} if not declared else set()
    assert set(found.problems) <= active_only


@pytest.mark.parametrize("name", REPLAYED)
def test_fault_is_detected_in_altered_facts(name: str, tmp_path: Path) -> None:
    """A fault that the lab cannot inject is detected in altered facts of a healthy cluster."""
    fault = catalog.fault(name)
    plain = recordings.sound(fault.recording)
    victims = fault.module.alter(plain)
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(plain))
    ran = run_checks(file, tmp_path)
    assert not verdict.evaluate(fault, catalog.declared(name), victims, ran).problems


@pytest.mark.parametrize("path", [*SOUND, *FAULTY], ids=stem)
def test_recording_holds_no_secret(path: Path) -> None:
    """A recording contains no key, certificate or token, so that it can be published."""
    text = json.dumps(serialization.read(path))
    found = SECRET.search(text)
    assert not found, found
