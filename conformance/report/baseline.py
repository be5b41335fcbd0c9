# SPDX-License-Identifier: Apache-2.0
"""Comparison with an earlier run: outcomes, durations, pings, nodes. Pure."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from conformance.facts.serialization import from_plain
from conformance.report.cluster import Overview
from conformance.results import records, renamed
from conformance.results.records import ERROR, FAILED, PASSED, Recording, Result, ResultsError

SLOWER = 2.0  # factor; together with the seconds below, more than noise
SLOWER_SECONDS = 0.5
LATENCY = 2.0
LATENCY_MS = 0.5
EMBEDDED = re.compile(r'<script type="application/json" id="recording">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class ChangedValue:
    """A value that differs from the earlier run."""

    what: str
    before: str
    now: str


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Differences from an earlier run."""

    run: str
    """Id of the earlier run."""
    ended: str
    """Time at which it ended."""
    worse: list[Result] = field(default_factory=list)
    """Tests that are red now and were not."""
    better: list[str] = field(default_factory=list)
    """Tests that pass now and were red."""
    still: list[str] = field(default_factory=list)
    """Tests that are red in both."""
    new: list[str] = field(default_factory=list)
    """Checks that are not in the earlier run."""
    removed: list[str] = field(default_factory=list)
    """Checks that are only in the earlier run."""
    slower: list[ChangedValue] = field(default_factory=list)
    pings: list[ChangedValue] = field(default_factory=list)
    nodes: list[ChangedValue] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether anything differs."""
        return any(
            (self.worse, self.better, self.new, self.removed, self.slower, self.pings, self.nodes)
        )


def read(path: Path) -> Recording:
    """Read an earlier run from its results file or its report.

    Raises:
        ResultsError: if the file is neither.
    """
    try:
        return read_text(path.read_text())
    except (OSError, ValueError, TypeError, KeyError) as problem:
        raise ResultsError(f"{path}: {problem}") from None


def read_text(text: str) -> Recording:
    """Parse the text of a results file or a report.

    Raises:
        ValueError, TypeError, KeyError: if it is neither.
    """
    embedded = EMBEDDED.search(text)
    return _embedded(json.loads(embedded[1])) if embedded else records.parse(text)


def embed(recording: Recording) -> dict[str, Any]:
    """Return the data that a report contains of its run, for comparison with later runs."""
    return {
        "header": recording.header,
        "footer": recording.footer,
        "cluster": recording.cluster,
        "results": [
            [each.test, each.check, each.layer, each.outcome, each.seconds]
            for each in recording.results
        ],
    }


def _embedded(plain: dict[str, Any]) -> Recording:
    lines = (dict(zip(EMBEDDED_FIELDS, each, strict=True)) for each in plain["results"])
    found = [from_plain(Result, renamed.in_result(line)) for line in lines]
    return Recording(plain["header"], found, plain["footer"], plain["cluster"])


EMBEDDED_FIELDS = ("test", "check", "layer", "outcome", "seconds")


def compare(now: Recording, before: Recording) -> Changes:
    """Compare two runs; tests are matched by check and parameters, regardless of the module."""
    ours = {result.name: result for result in now.results}
    theirs = {result.name: result for result in before.results}
    both = [(theirs[name], ours[name]) for name in ours if name in theirs]
    red = (FAILED, ERROR)
    return Changes(
        run=str(before.header.get("run", "")),
        ended=str(before.footer.get("ended") or before.header.get("began", "")),
        worse=[new for old, new in both if new.outcome in red and old.outcome not in red]
        + [each for name, each in ours.items() if name not in theirs and each.outcome in red],
        better=[new.test for old, new in both if new.outcome == PASSED and old.outcome in red],
        still=[new.test for old, new in both if new.outcome in red and old.outcome in red],
        new=sorted({each.check for each in now.results} - {e.check for e in before.results}),
        removed=sorted({each.check for each in before.results} - {e.check for e in now.results}),
        slower=_slower(now.results, before.results),
        pings=_pings(overview(now), overview(before)),
        nodes=_nodes(overview(now), overview(before)),
    )


def overview(recording: Recording) -> Overview | None:
    """Return the cluster in a recording, if it exists and this version can read it."""
    try:
        found = from_plain(Overview, recording.cluster) if recording.cluster else None
    except TypeError:
        return None
    assert found is None or isinstance(found, Overview)
    return found


def _slower(now: list[Result], before: list[Result]) -> list[ChangedValue]:
    """Return checks that take notably longer."""
    ours, theirs = _times(now), _times(before)
    return [
        ChangedValue(check, f"{theirs[check]:.2f} s", f"{seconds:.2f} s")
        for check, seconds in sorted(ours.items())
        if check in theirs
        and seconds > SLOWER * theirs[check]
        and seconds - theirs[check] > SLOWER_SECONDS
    ]


def _times(found: list[Result]) -> dict[str, float]:
    by_check: dict[str, list[float]] = {}
    for result in found:
        if result.outcome == PASSED:
            by_check.setdefault(result.check, []).append(result.seconds)
    return {check: median(seconds) for check, seconds in by_check.items()}


def _pings(now: Overview | None, before: Overview | None) -> list[ChangedValue]:
    """Return paths with different losses or notably higher latency."""
    if now is None or before is None:
        return []
    found = []
    for source, row in now.pods.items():
        for target, echo in row.items():
            old = before.pods.get(source, {}).get(target)
            if old is None:
                continue
            slower = (
                echo.ms is not None
                and old.ms is not None
                and echo.ms > LATENCY * old.ms
                and echo.ms - old.ms > LATENCY_MS
            )
            if echo.loss != old.loss or slower:
                found.append(ChangedValue(f"{source} → {target}", text_of(old), text_of(echo)))
    return found


def text_of(echo: Any) -> str:
    """Return for example ``0.41 ms``, ``0.41 ms, 20 % lost`` or ``all lost``."""
    if echo.loss >= 1 or echo.ms is None:
        return "all lost"
    lost = f", {100 * echo.loss:.0f} % lost" if echo.loss else ""
    return f"{echo.ms:.2f} ms{lost}"


def _nodes(now: Overview | None, before: Overview | None) -> list[ChangedValue]:
    """Return nodes that were added, removed or changed."""
    if now is None or before is None:
        return []
    ours = {node.name: node for node in now.nodes}
    theirs = {node.name: node for node in before.nodes}
    found = []
    for name in sorted(ours | theirs):
        old, new = theirs.get(name), ours.get(name)
        if old is None or new is None:
            found.append(
                ChangedValue(name, "present" if old else "absent", "present" if new else "absent")
            )
            continue
        found += [
            ChangedValue(f"{name}: {part}", getattr(old, part), getattr(new, part))
            for part in ("role", "address", "runtime", "kubelet")
            if getattr(old, part) != getattr(new, part)
        ]
        if old.ready != new.ready:
            states = ["Ready" if each.ready else "not Ready" for each in (old, new)]
            found.append(ChangedValue(name, *states))
    return found
