# SPDX-License-Identifier: Apache-2.0
"""Conversion of pytest reports to results.

The process that runs a test adds a description to its reports. The controller combines the phases
of the test and writes the result at once.
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

CRASHED = "???"  # phase in the report of xdist if a worker crashed


def describe(
    item: pytest.Item, report: pytest.TestReport, phase: str, nodes: list[str], code: str = ""
) -> None:
    """Add a description of the test to a report; xdist passes it to the controller.

    Args:
        item: the test.
        report: the report of one phase of the test.
        phase: that phase; ``report.when`` differs if the test was inconclusive.
        nodes: the names of all nodes.
        code: the code of the failure, if any.
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
    """Return the parameters of the test that are strings, including those in tuples."""
    callspec = getattr(item, "callspec", None)
    values = list(callspec.params.values()) if callspec else []
    flat = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
    return {part for part in flat if isinstance(part, str)}


def is_named(node: str, text: str) -> bool:
    """Return whether the text contains the name of the node as a complete name."""
    return re.search(rf"(?<![\w.-]){re.escape(node)}(?![\w-]|\.\w)", text) is not None


def _headline(report: pytest.TestReport) -> str:
    """Return a failure or skip in one line; empty if the phase passed."""
    if report.passed:
        return ""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message) if crash else _detail(report)
    return (text.strip().splitlines() or [""])[0]


def _detail(report: pytest.TestReport) -> str:
    """Return the complete message of a phase that did not pass."""
    if isinstance(report.longrepr, tuple):  # a skip: file, line, reason
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return str(report.longrepr)


@dataclass(eq=False, kw_only=True)
class Recorder:
    """Collects test reports in the controller process."""

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
        """The results so far."""
        return Recording(self.header, self.results, self.footer, self.cluster)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the report of one phase, from this process or a worker."""
        self._phases.setdefault(report.nodeid, []).append(report)
        if report.when in ("teardown", CRASHED):
            self._add(self._phases.pop(report.nodeid))

    def end(self, exit_status: int, **footer: Any) -> None:
        """Write the result of an interrupted test, if it has one, and the footer."""
        if self.footer:
            return
        for phases in self._phases.values():
            if len(phases) > 1 or not phases[0].passed:
                self._add(phases)
        if self.cluster:
            self._write({"cluster": self.cluster})
        self.footer = {"ended": _now(), "exit": int(exit_status), **footer}
        self._write(self.footer)
        if self.writer:
            self.writer.close()

    def _add(self, phases: list[pytest.TestReport]) -> None:
        result = result_of(phases)
        self.results.append(result)
        self._write(result)

    def _write(self, line: Result | dict[str, Any]) -> None:
        if self.writer:
            self.writer.write(line)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def result_of(phases: list[pytest.TestReport]) -> Result:
    """Combine the phases of a test; the first one that did not pass determines the outcome."""
    bad = next((phase for phase in phases if not phase.passed), None)
    about = [getattr(phase, "about", {}) for phase in phases]
    last: dict[str, Any] = next((each for each in reversed(about) if each), {})
    own = [p for p, each in zip(phases, about, strict=True) if each.get("phase") == "call"]
    module, _, function = phases[0].nodeid.partition("::")
    return Result(
        test=f"{module.rpartition('/')[2]}::{function}",
        check=last.get("check") or function.partition("[")[0],
        layer=last.get("layer", ""),
        outcome=_outcome(bad),
        seconds=round(sum((phase.duration for phase in own), 0.0), 3),
        headline=_headline(bad) if bad else "",
        detail=_detail(bad) if bad else "",
        nodes=_merged(each.get("nodes", []) for each in about),
        detects=last.get("detects", []),
        asserts=last.get("asserts", ""),
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
