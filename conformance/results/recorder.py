# SPDX-License-Identifier: Apache-2.0
"""How pytest's reports become results.

What a test is about is told where it runs; the controller puts its phases together, and writes the
result down at once.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from conformance.layers import LAYERS
from conformance.results.records import (
    ERROR,
    FAILED,
    FORMAT,
    PASSED,
    SKIPPED,
    Recording,
    Result,
    Writer,
)

CRASHED = "???"  # what xdist calls the phase in which a worker died


def describe(
    item: pytest.Item, report: pytest.TestReport, phase: str, nodes: list[str], code: str = ""
) -> None:
    """Let the report tell what the test is about; it does so across processes, too.

    Args:
        item: the test.
        report: of one of its phases.
        phase: which one; a could-not-ask is reported as another.
        nodes: the names of all nodes.
        code: of the failure.
    """
    layers = [mark.name for mark in item.iter_markers() if mark.name in LAYERS]
    headline = _headline(report)
    named = _parameters(item)
    report.about = {  # type: ignore[attr-defined]
        "phase": phase,
        "check": getattr(item, "originalname", item.name),
        "layer": layers[0] if layers else "",
        "detects": [fault for mark in item.iter_markers("detects") for fault in mark.args],
        "asserts": (getattr(getattr(item, "function", None), "__doc__", "") or "").split("\n")[0],
        "nodes": [n for n in nodes if n in named or (headline and is_named(n, headline))],
        "headline": headline,
        "code": code,
    }


def _parameters(item: pytest.Item) -> set[Any]:
    """The values that make this test one of many; tuples are looked into."""
    callspec = getattr(item, "callspec", None)
    values = list(callspec.params.values()) if callspec else []
    flat = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    return {part for part in flat if isinstance(part, str)}


def is_named(node: str, text: str) -> bool:
    """Does the text speak of the node, and not only of one whose name contains this one?"""
    return re.search(rf"(?<![\w.-]){re.escape(node)}(?![\w-]|\.\w)", text) is not None


def _headline(report: pytest.TestReport) -> str:
    """A failure or skip in one line; '' if the phase went well."""
    if report.passed:
        return ""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message) if crash else _detail(report)
    return (text.strip().splitlines() or [""])[0]


def _detail(report: pytest.TestReport) -> str:
    """The whole of what a phase said that did not go well."""
    if isinstance(report.longrepr, tuple):  # a skip: file, line, reason
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)


@dataclass(eq=False, kw_only=True)
class Recorder:
    """The controller's ear: gathers the phases of each test, and keeps all results."""

    writer: Writer | None = None
    results: list[Result] = field(default_factory=list)
    header: dict[str, Any] = field(default_factory=dict)
    footer: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] | None = None
    _phases: dict[str, list[pytest.TestReport]] = field(default_factory=dict)

    def begin(self, **header: Any) -> None:
        """Write the first line."""
        self.header = {"format": FORMAT, "began": _now(), **header}
        self._write(self.header)

    @property
    def recording(self) -> Recording:
        """All so far."""
        return Recording(self.header, self.results, self.footer, self.cluster)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of a test is over, in this process or in a worker."""
        self._phases.setdefault(report.nodeid, []).append(report)
        if report.when in ("teardown", CRASHED):
            self._keep(self._phases.pop(report.nodeid))

    def end(self, exit_status: int, **footer: Any) -> None:
        """Write what is half told (an interrupted test, if it has a verdict) and the last line."""
        if self.footer:
            return
        for phases in self._phases.values():
            if len(phases) > 1 or not phases[0].passed:
                self._keep(phases)
        if self.cluster:
            self._write({"cluster": self.cluster})
        self.footer = {"ended": _now(), "exit": int(exit_status), **footer}
        self._write(self.footer)
        if self.writer:
            self.writer.close()

    def _keep(self, phases: list[pytest.TestReport]) -> None:
        result = result_of(phases)
        self.results.append(result)
        self._write(result)

    def _write(self, line: Result | dict[str, Any]) -> None:
        if self.writer:
            self.writer.write(line)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def result_of(phases: list[pytest.TestReport]) -> Result:
    """The result that a test's phases add up to: the first that did not go well decides."""
    bad = next((phase for phase in phases if not phase.passed), None)
    about = [getattr(phase, "about", {}) for phase in phases]
    told: dict[str, Any] = next((each for each in reversed(about) if each), {})
    own = [p for p, each in zip(phases, about, strict=True) if each.get("phase") == "call"]
    module, _, function = phases[0].nodeid.partition("::")
    return Result(
        test=f"{module.rpartition('/')[2]}::{function}",
        check=told.get("check") or function.partition("[")[0],
        layer=told.get("layer", ""),
        outcome=_outcome(bad),
        seconds=round(sum((phase.duration for phase in own), 0.0), 3),
        headline=_headline(bad) if bad else "",
        detail=_detail(bad) if bad else "",
        nodes=_merged(each.get("nodes", []) for each in about),
        detects=told.get("detects", []),
        asserts=told.get("asserts", ""),
        start=round(getattr(phases[0], "start", 0.0) or time.time(), 3),
        setup=round(sum((phase.duration for phase in phases if phase not in own), 0.0), 3),
        code=getattr(bad, "about", {}).get("code", ""),
        properties={str(k): str(v) for phase in phases[-1:] for k, v in phase.user_properties},
    )


def _outcome(bad: pytest.TestReport | None) -> str:
    if bad is None:
        return PASSED
    if bad.skipped:
        return SKIPPED
    return FAILED if bad.when == "call" else ERROR


def _merged(lists: Iterable[list[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names))
