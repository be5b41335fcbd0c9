# SPDX-License-Identifier: Apache-2.0
"""Runs the suite inside a test: on facts, without a cluster, in this same process."""

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import conformance

SUITE = Path(conformance.__file__).parent
Json = dict[str, Any]


@dataclass(eq=False, kw_only=True)
class SuiteRun:
    """What a run of the suite came to: reports by outcome, the exit status, all that it printed."""

    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    exit_status: int = -1
    printed: str = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Sort one report."""
        name = report.nodeid.rpartition("::")[2]
        if report.failed and report.when == "call":
            self.failed[name] = report.longreprtext
        elif report.failed:
            self.errors[name] = report.longreprtext
        elif report.skipped:
            self.skipped[name] = report.longreprtext
        elif report.when == "call":
            self.passed.append(name)


def run_suite(*arguments: str | Path) -> SuiteRun:
    """Run `pytest conformance/ ARGUMENTS` in this process."""
    verdicts, printed = SuiteRun(), io.StringIO()
    # Without what only costs time here: each run is a whole session.
    idle = ("cacheprovider", "logging", "unraisableexception")
    own = [*(f"-pno:{plugin}" for plugin in idle), "--rootdir", str(SUITE.parent), "-s"]
    words = [str(SUITE), *own, *map(str, arguments)]
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        verdicts.exit_status = int(pytest.main(words, plugins=[verdicts]))
    verdicts.printed = printed.getvalue()
    return verdicts


def kubeconfig(path: Path, server: str) -> Path:
    """A kubeconfig for a server that needs no credentials."""
    file = path / "kubeconfig"
    parts = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **parts}))
    return file


@pytest.fixture
def replay(tmp_path: Path) -> Callable[..., SuiteRun]:
    """Judge facts, given as plain JSON; further arguments go to pytest."""

    def judge(facts: Json, *arguments: str | Path) -> SuiteRun:
        file = tmp_path / "facts.json"
        file.write_text(json.dumps(facts))
        return run_suite("--replay", file, *arguments)

    return judge


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run the whole suite: each takes seconds."""
    for item in items:
        if isinstance(item, pytest.Function) and (
            "replay" in item.fixturenames or "run_suite" in vars(item.module)
        ):
            item.add_marker("replay")
