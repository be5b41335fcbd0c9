# SPDX-License-Identifier: Apache-2.0
"""Files that a run writes."""

import json
from pathlib import Path

import pytest

from conformance.results import records
from tests.conformance import healthy
from tests.conformance.conftest import run_suite
from tests.conformance.report.recordings import ENDED, HEADER, ONE, TWO


def test_run_writes_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run writes report, results, JUnit, artifacts and the GitHub summary."""
    plain = healthy.facts()
    plain["views"][ONE]["pod_pings"][TWO]["received"] = 0
    (tmp_path / "facts.json").write_text(json.dumps(plain))
    (tmp_path / "before.jsonl").write_text("".join(f"{json.dumps(x)}\n" for x in (HEADER, ENDED)))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    ran = run_suite(
        "--replay", tmp_path / "facts.json", "--report", tmp_path / "report.html",
        "--results", tmp_path / "results.jsonl", "--junitxml", tmp_path / "junit.xml",
        "--artifacts", tmp_path / "zuul.json", "--baseline", tmp_path / "before.jsonl",
        "-k", "test_pod_reaches_pod or test_node_is_ready",
    )  # fmt: skip
    assert f"report in {tmp_path / 'report.html'}" in ran.printed
    shown = (tmp_path / "report.html").read_text()
    assert f"{ONE} -&gt; {TWO}: ping from pod to pod" in shown
    assert "Since the baseline" in shown
    assert records.read(tmp_path / "results.jsonl").cluster is not None
    assert "test_pod_reaches_pod" in (tmp_path / "summary.md").read_text()
    artifacts = json.loads((tmp_path / "zuul.json").read_text())["zuul"]["artifacts"]
    assert [each["url"] for each in artifacts] == ["report.html", "junit.xml", "results.jsonl"]
    assert "system-out" in (tmp_path / "junit.xml").read_text()


@pytest.mark.parametrize(
    "arguments", [("--baseline", "nowhere"), ("--report", "nowhere/r.html")], ids=lambda a: a[0]
)
def test_unusable_file_is_a_usage_error(tmp_path: Path, arguments: tuple[str, str]) -> None:
    """An unreadable baseline or a missing directory is reported with its path."""
    (tmp_path / "facts.json").write_text(json.dumps(healthy.facts()))
    ran = run_suite("--replay", tmp_path / "facts.json", *arguments)
    assert ran.exit_status == pytest.ExitCode.USAGE_ERROR
    assert " ".join(arguments) in ran.printed
