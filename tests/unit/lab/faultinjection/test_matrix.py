# SPDX-License-Identifier: Apache-2.0
"""The matrix of fault by check, and what a campaign leaves in the checkout."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conformance.facts import serialization
from lab.faultinjection import matrix, recordings
from lab.faultinjection.catalog import Check, Fault
from lab.faultinjection.recordings import Trial

CHECKS = {
    name: Check(name, "test_flannel.py", "network", detects)
    for name, detects in {
        "test_a": ("dns-down", "dns-slow"),
        "test_b": (),
        "test_c": (),
        "test_d": ("dns-down",),
    }.items()
}


def fault(name: str, **said: Any) -> Fault:
    """A fault whose module says this."""
    module = ModuleType(name, "How it is made.")
    vars(module).update({"KIND": "real", **said})
    return Fault(name, module)


FAULTS = {
    "dns-down": fault("dns-down", COMPANIONS={"test_b": "names are asked for"}),
    "dns-slow": fault("dns-slow", KIND="effect"),
}
RED = {"test_a": "declared", "test_b": "companion", "test_c": "stranger"}
TRIALS = {
    "dns-down": Trial(
        kind="real",
        cluster="demo",
        victims=[],
        exact=False,
        green=True,
        seconds={"verdict": 41.4},
        red=RED,
    )
}


def test_a_cell_says_what_was_seen() -> None:
    """Declared and red, declared and not red, companion, stranger; nothing where nobody looked."""
    signs = [matrix.sign("dns-down", check, TRIALS["dns-down"]) for check in CHECKS.values()]
    assert signs == ["#", "o", "!", "?"]
    assert matrix.sign("dns-slow", CHECKS["test_a"], None) == "?"
    assert matrix.sign("dns-slow", CHECKS["test_b"], None) == ""
    assert matrix.sign("dns-slow", CHECKS["test_d"], TRIALS["dns-down"]) == "·"


def test_page_tells_all_of_a_fault() -> None:
    """How it is made, what came of it, who sees it, why others are red."""
    page = matrix.page(FAULTS, CHECKS, TRIALS)
    for words in ("not exact, 41 s", "How it is made.", "``test_b``: names are asked for"):
        assert words in page
    assert "Seen by ``test_a``, ``test_d``." in page
    assert "   test_a  #?\n   test_b  o\n" in page


def test_html_holds_only_what_was_tried() -> None:
    """One file, with the count of exact ones."""
    page = matrix.html_page(FAULTS, CHECKS, TRIALS)
    assert "0 of 1 faults judged exactly" in page
    assert "dns-slow" not in page
    assert "<link" not in page
    assert "<script" not in page


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the checkout's."""
    monkeypatch.setattr(recordings, "SOUND", tmp_path / "recorded" / "sound")
    monkeypatch.setattr(recordings, "FAULTY", tmp_path / "recorded" / "faults")
    monkeypatch.setattr(recordings, "TRIALS", tmp_path / "recorded" / "trials.json")
    return tmp_path / "recorded"


def record(folder: Path, name: str, exact: bool) -> None:
    """A record and a recording in a report folder."""
    red = {"test_a": {"failed": 1, "errors": 0, "role": "declared", "headline": "a long story"}}
    plain = {"fault": name, "kind": "real", "cluster": "demo", "victims": ["n"], "exact": exact}
    plain |= {"green": True, "seconds": {"verdict": 1.0}, "problems": ["p"], "red": red}
    (folder / f"{name}.json").write_text(json.dumps(plain))
    (folder / f"{name}.facts.json").write_text(json.dumps({"of": name}))


def test_what_is_published(checkout: Path, tmp_path: Path) -> None:
    """Sound clusters, exact faults' recordings, all trials in short; earlier ones stay."""
    folder = tmp_path / "report"
    folder.mkdir()
    record(folder, "dns-slow", exact=True)
    recordings.publish(folder)
    (folder / "dns-slow.json").unlink()
    record(folder, "dns-down", exact=True)
    record(folder, "stale-fdb", exact=False)
    (folder / "demo.baseline.facts.json").write_text("{}")
    recordings.publish(folder)
    there = {str(path.relative_to(checkout)) for path in checkout.rglob("*.gz")}
    assert there == {"sound/demo.json.gz", "faults/dns-slow.json.gz", "faults/dns-down.json.gz"}
    assert serialization.read(checkout / "faults" / "dns-down.json.gz") == {"of": "dns-down"}
    kept = recordings.trials()
    assert {name: trial.exact for name, trial in kept.items()} == {
        "stale-fdb": False, "dns-down": True, "dns-slow": True,
    }  # fmt: skip
    assert kept["dns-down"].red == {"test_a": "declared"}
    assert "a long story" not in recordings.TRIALS.read_text()
