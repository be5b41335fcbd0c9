# SPDX-License-Identifier: Apache-2.0
"""Runs the suite within a test: on facts, without a cluster, in this process."""

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import conformance

# A busy machine must not fail a test: neither examples nor their generation have time limits.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

SUITE = Path(conformance.__file__).parent
Json = dict[str, Any]


@dataclass(eq=False, kw_only=True)
class SuiteRun:
    """Result of a run of the suite: reports by outcome, exit status, output."""

    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    exit_status: int = -1
    printed: str = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a report."""
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
    """Run ``pytest conformance/ ARGUMENTS`` in this process."""
    verdicts, printed = SuiteRun(), io.StringIO()
    # Plug-ins that only take time, as each run is a complete session.
    unused = ("cacheprovider", "logging", "unraisableexception")
    own = [*(f"-pno:{plugin}" for plugin in unused), "--rootdir", str(SUITE.parent), "-s"]
    command = [str(SUITE), *own, *map(str, arguments)]
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        verdicts.exit_status = int(pytest.main(command, plugins=[verdicts]))
    verdicts.printed = printed.getvalue()
    return verdicts


def kubeconfig(path: Path, server: str) -> Path:
    """Write a kubeconfig for a server that needs no credentials."""
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
    """Return a function that runs the suite on facts (plain JSON), with arguments for pytest."""

    def run(facts: Json, *arguments: str | Path) -> SuiteRun:
        file = tmp_path / "facts.json"
        file.write_text(json.dumps(facts))
        return run_suite("--replay", file, *arguments)

    return run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that run the suite; each takes seconds."""
    for item in items:
        if isinstance(item, pytest.Function) and (
            "replay" in item.fixturenames or "run_suite" in vars(item.module)
        ):
            item.add_marker("replay")
