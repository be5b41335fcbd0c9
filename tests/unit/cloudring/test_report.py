# SPDX-License-Identifier: Apache-2.0
"""The report of the cloud ring, its exit status, and its records."""

import json

from cloudring import report
from cloudring.__main__ import status
from cloudring.report import Action, SuiteRun, SystemResult
from heatgen.blocks import support

ABOUT = {"date": "2026-11-30", "heatgen": "0.1.0", "cloud": "<mine>"}
SUITE = SuiteRun(when="after create", verdict="sound", passed=400, failed=0, inconclusive=0,
                 skipped=3)  # fmt: skip


def result(*actions: Action, suites: bool = True) -> SystemResult:
    """Return the result of a system."""
    found = SystemResult(name="debian-12", block="debian", image="a&b", stack="ring-debian-12-1")
    found.actions += actions
    if suites:
        found.suites.append(SUITE)
    return found


CREATED = Action("create", "passed", 99.4)
GREEN = result(
    CREATED, Action("suite", "passed", 40), Action("rollback", "skipped", 0, "no ostree")
)
GREEN.create_seconds, GREEN.user_data_bytes = 99.4, 13016
GREEN.agent_cpu = {"n1": 0.9}
BROKEN = result(Action("create", "failed", 600, "runtime/start on n1: no disk"), suites=False)
LEFT = result(CREATED, Action("delete", "failed", 30, "left: port p"))
LEFT.create_seconds, LEFT.left = 99.4, ["port p"]


def test_verdicts() -> None:
    """A skipped action is not a failure; without a suite nothing has passed."""
    assert (GREEN.verdict, GREEN.reason) == ("passed", "")
    assert (BROKEN.verdict, BROKEN.reason) == ("failed", "create: runtime/start on n1: no disk")
    assert result(CREATED, suites=False).verdict == "incomplete"
    assert LEFT.verdict == "failed"


def test_exit_status() -> None:
    """Left resources are more important than an interruption, and that than a failure."""
    assert status([GREEN], interrupted=False) == 0
    assert status([GREEN, BROKEN], interrupted=False) == 1
    assert status([GREEN, BROKEN], interrupted=True) == 130
    assert status([LEFT], interrupted=True) == 4


def test_json() -> None:
    """The JSON report has every field of a system, and its verdict."""
    plain = json.loads(json.dumps(report.as_plain([GREEN, BROKEN], ABOUT)))
    first, second = plain["systems"]
    assert plain["format"] == 1
    assert (first["create_seconds"], first["user_data_bytes"]) == (99.4, 13016)
    assert first["agent_cpu"] == {"n1": 0.9}
    assert first["suites"][0]["passed"] == 400
    assert (first["verdict"], second["verdict"]) == ("passed", "failed")
    assert second["create_seconds"] is None


def test_page() -> None:
    """The page has the same values, escaped, and how to delete what was kept."""
    kept = result(CREATED)
    kept.kept = True
    text = report.page([GREEN, LEFT, kept], ABOUT)
    for part in ("a&amp;b", "&lt;mine&gt;", "after create: 400/0/0/3 sound", "13016", "n1: 0.9",
                 "no ostree", "Left by ring-debian-12-1: port p",
                 "heatgen delete ring-debian-12-1"):  # fmt: skip
        assert part in text


def test_lines() -> None:
    """The terminal shows one line for each system, with the reason of a failure."""
    assert list(report.lines([GREEN, BROKEN])) == [
        "debian-12: passed, created in 99 s, suite 400 passed, 0 failed",
        "debian-12: failed: create: runtime/start on n1: no disk",
    ]


def test_records_are_valid() -> None:
    """A record is accepted by the support matrix; without a creation there is no record."""
    tree = {support.SYSTEMS_FILE: b"rings: {cloud: a real cloud}\nsystems:\n"
            b"  debian-12: {title: Debian 12, layer: os, block: debian}\n"}  # fmt: skip
    for item, verdict in ((GREEN, "passed"), (BROKEN, "failed")):
        record = report.record(item, "cloud", "2026-11-30", "0.1.0")
        assert record
        found = support.read({**tree, f"support/{record.name}": record.as_json().encode()})
        assert found.records["debian-12", "cloud"].verdict == verdict
    assert report.record(result(suites=False), "cloud", "2026-11-30", "0.1.0") is None
