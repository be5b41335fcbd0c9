# SPDX-License-Identifier: Apache-2.0
"""The matrix of faults and checks, and the published results of a campaign."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conformance.facts import serialization
from lab.faultinjection import matrix, recordings
from lab.faultinjection.catalog import Check, Fault
from lab.faultinjection.recordings import Trial
from lab.faultinjection.verdict import UNEXPECTED

CHECKS = {
    name: Check(name, "test_flannel.py", "network", detects)
    for name, detects in {
        "test_a": ("dns-down", "dns-slow"),
        "test_b": (),
        "test_c": (),
        "test_d": ("dns-down",),
    }.items()
}


def fault(name: str, **attributes: Any) -> Fault:
    """Return a fault whose module has these attributes."""
    module = ModuleType(name, "How it is injected.")
    vars(module).update({"KIND": "real", **attributes})
    return Fault(name, module)


FAULTS = {
    "dns-down": fault("dns-down", COMPANIONS={"test_b": "names are resolved"}),
    "dns-slow": fault("dns-slow", KIND="effect"),
}
RED = {"test_a": "declared", "test_b": "companion", "test_c": UNEXPECTED}
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


def test_symbols() -> None:
    """A cell shows role and declaration of a check; it is empty without a trial of the fault."""
    symbols = [matrix.symbol("dns-down", check, TRIALS["dns-down"]) for check in CHECKS.values()]
    assert symbols == ["#", "o", "!", "?"]
    assert matrix.symbol("dns-slow", CHECKS["test_a"], None) == "?"
    assert matrix.symbol("dns-slow", CHECKS["test_b"], None) == ""
    assert matrix.symbol("dns-slow", CHECKS["test_d"], TRIALS["dns-down"]) == "·"


def test_page_describes_each_fault() -> None:
    """The page contains description, result, declaring checks and companions of a fault."""
    page = matrix.page(FAULTS, CHECKS, TRIALS)
    for text in ("not exact, 41 s", "How it is injected.", "``test_b``: names are resolved"):
        assert text in page
    assert "Detected by ``test_a``, ``test_d``." in page
    assert "   test_a  #?\n   test_b  o\n" in page


def test_html_contains_only_tested_faults() -> None:
    """The matrix is one file without links, and counts the exact trials."""
    page = matrix.html_page(FAULTS, CHECKS, TRIALS)
    assert "0 of 1 trials were exact" in page
    assert "dns-slow" not in page
    assert "<link" not in page
    assert "<script" not in page


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the folders of the repository; return the folder of recordings."""
    monkeypatch.setattr(recordings, "SOUND", tmp_path / "recorded" / "sound")
    monkeypatch.setattr(recordings, "FAULTY", tmp_path / "recorded" / "faults")
    monkeypatch.setattr(recordings, "TRIALS", tmp_path / "recorded" / "trials.json")
    return tmp_path / "recorded"


def record(folder: Path, name: str, exact: bool) -> None:
    """Write a record and a recording to a report folder."""
    red = {"test_a": {"failed": 1, "errors": 0, "role": "declared", "headline": "a long message"}}
    plain = {"fault": name, "kind": "real", "cluster": "demo", "victims": ["n"], "exact": exact}
    plain |= {"green": True, "seconds": {"verdict": 1.0}, "problems": ["p"], "red": red}
    (folder / f"{name}.json").write_text(json.dumps(plain))
    (folder / f"{name}.facts.json").write_text(json.dumps({"of": name}))


def test_publish(checkout: Path, tmp_path: Path) -> None:
    """Healthy facts, recordings of exact trials, and all summaries are copied; older ones stay."""
    folder = tmp_path / "report"
    folder.mkdir()
    record(folder, "dns-slow", exact=True)
    recordings.publish(folder)
    (folder / "dns-slow.json").unlink()
    record(folder, "dns-down", exact=True)
    record(folder, "stale-fdb", exact=False)
    (folder / "demo.baseline.facts.json").write_text("{}")
    recordings.publish(folder)
    published = {str(path.relative_to(checkout)) for path in checkout.rglob("*.gz")}
    assert published == {"sound/demo.json.gz", "faults/dns-slow.json.gz", "faults/dns-down.json.gz"}
    assert serialization.read(checkout / "faults" / "dns-down.json.gz") == {"of": "dns-down"}
    kept = recordings.trials()
    assert {name: trial.exact for name, trial in kept.items()} == {
        "stale-fdb": False, "dns-down": True, "dns-slow": True,
    }  # fmt: skip
    assert kept["dns-down"].red == {"test_a": "declared"}
    assert "a long message" not in recordings.TRIALS.read_text()
