# SPDX-License-Identifier: Apache-2.0
"""Recorded clusters, sound and with a fault in them, are judged again, without a cluster."""

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
    """A recording's name."""
    return path.name.partition(".")[0]


def judged(facts: Path, folder: Path) -> Results:
    """The suite's word on a recording."""
    file = folder / "results.jsonl"
    ran = run_suite("--replay", facts, "--results", file)
    return Results(tests=results.read(file), exit=ran.exit_status, printed=ran.printed, seconds=0.0)


def asked(tests: list[Result]) -> set[str]:
    """The checks that a recording is enough for."""
    return {test.check for test in tests if test.outcome != "skipped"}


@pytest.mark.parametrize("path", SOUND, ids=stem)
def test_sound_cluster_is_green(path: Path, tmp_path: Path) -> None:
    """Nothing is wrong with a sound cluster."""
    ran = judged(path, tmp_path)
    assert ran.exit == 0, ran.printed
    assert ran.evaluated > 150


@pytest.mark.parametrize("path", FAULTY, ids=stem)
def test_fault_is_seen_in_its_recording(path: Path, tmp_path: Path) -> None:
    """Of the checks that judge facts, those that declare the fault are red, and no stranger is."""
    fault, trial = catalog.fault(stem(path)), recordings.trials()[stem(path)]
    ran = judged(path, tmp_path)
    declared = catalog.declared(fault.name) & asked(ran.tests)
    told = verdict.evaluate(fault, declared, Victims(tuple(trial.victims)), ran)
    active_only = {verdict.UNDECLARED} if not declared else set()
    assert set(told.problems) <= active_only


@pytest.mark.parametrize("name", REPLAYED)
def test_fault_is_seen_in_altered_facts(name: str, tmp_path: Path) -> None:
    """What the lab cannot make real is exact in a sound cluster's facts, altered."""
    fault = catalog.fault(name)
    plain = recordings.sound(fault.recording)
    victims = fault.module.alter(plain)
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(plain))
    ran = judged(file, tmp_path)
    assert not verdict.evaluate(fault, catalog.declared(name), victims, ran).problems


@pytest.mark.parametrize("path", [*SOUND, *FAULTY], ids=stem)
def test_recording_holds_no_secret(path: Path) -> None:
    """Kept facts may be shown to anybody: no key, certificate or token is in them."""
    text = json.dumps(serialization.read(path))
    found = SECRET.search(text)
    assert not found, found
