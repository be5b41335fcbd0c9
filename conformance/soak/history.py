# SPDX-License-Identifier: Apache-2.0
"""History of a soak: one JSON line per round, appended when the round has ended.

The file is only appended to, and a later soak continues it. An incomplete line, left by a killed
process or a full disk, is skipped.
"""

import dataclasses
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from conformance.facts.components import Component
from conformance.facts.model import Facts
from conformance.facts.serialization import from_plain
from conformance.outcome import Unavailable
from conformance.results import renamed
from conformance.results.records import (
    ERROR,
    FAILED,
    LEFT_BEHIND,
    PASSED,
    SKIPPED,
    Recording,
    Result,
)
from conformance.soak.statistics import quantile

FORMAT = 1
WORST_FIRST = (FAILED, ERROR, PASSED, SKIPPED)
THE_RUN = "the run itself"  # check name if a round could not start or left objects behind


@dataclass(frozen=True)
class CheckRound:
    """A check in one round."""

    outcome: str
    """The worst outcome of its tests."""
    tests: int
    seconds: float
    """Mean duration of the tests that passed."""


@dataclass(frozen=True)
class Red:
    """A test that failed or was inconclusive."""

    test: str
    outcome: str
    headline: str


@dataclass(frozen=True, kw_only=True)
class Pings:
    """All pod pings of a round, in milliseconds."""

    median: float
    p95: float
    most: float
    paths: int
    lost: list[str]
    """Paths that lost a packet."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """Result of one round."""

    round: int
    run: str
    cluster: str
    """Identity of the cluster; a recreated cluster has another."""
    began: float
    """Seconds since the epoch."""
    seconds: float
    exit: int
    checks: dict[str, CheckRound]
    red: list[Red] = field(default_factory=list)
    pings: Pings | None = None
    components: dict[str, list[Component]] = field(default_factory=dict)
    """By node."""
    objects: dict[str, int] = field(default_factory=dict)
    """Object counts by kind, after the run has deleted its objects."""
    restarts: dict[str, int] = field(default_factory=dict)
    """Container restarts above 0, by NAMESPACE/POD/CONTAINER."""
    format: int = FORMAT


class HistoryError(ValueError):
    """The file is not a history of a soak. The message has file and reason."""


def append(path: Path, line: Round) -> None:
    """Append a round with a single write, after terminating an incomplete line."""
    text = json.dumps(dataclasses.asdict(line)) + "\n"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.lseek(file, 0, os.SEEK_END)
        is_complete = size == 0 or os.pread(file, 1, size - 1) == b"\n"
        os.write(file, (text if is_complete else "\n" + text).encode())
    finally:
        os.close(file)


def parse(text: str) -> list[Round]:
    """Parse the text of a history; invalid lines are skipped."""
    rounds = []
    for line in text.splitlines():
        try:
            plain = json.loads(line)
            rounds.append(_renamed(from_plain(Round, plain)))
        except (ValueError, TypeError):
            continue
    return rounds


def _renamed(line: Round) -> Round:
    """Return the round with the current names of its checks and tests."""
    checks = {renamed.current(name): check for name, check in line.checks.items()}
    red = [dataclasses.replace(each, test=renamed.current(each.test)) for each in line.red]
    return dataclasses.replace(line, checks=checks, red=red)


def read(path: Path) -> list[Round]:
    """Read a history; it is empty if the file does not exist.

    Raises:
        HistoryError: if the file is not empty and contains no round.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as problem:
        raise HistoryError(f"{path}: {problem}") from None
    rounds = parse(text)
    if len(text.splitlines()) > 1 and not rounds:
        raise HistoryError(f"{path}: not a history of a soak; pass another --soak-history")
    return rounds


# ---- one round, from its results and facts ----


def checks_of(found: Iterable[Result]) -> dict[str, CheckRound]:
    """Return the checks of a round by name."""
    by_check: dict[str, list[Result]] = {}
    for result in found:
        by_check.setdefault(result.check, []).append(result)
    return {
        check: CheckRound(
            outcome=min((each.outcome for each in tests), key=WORST_FIRST.index),
            tests=len(tests),
            seconds=round(fmean([t.seconds for t in tests if t.outcome == PASSED] or [0.0]), 4),
        )
        for check, tests in sorted(by_check.items())
    }


def reds_of(found: Iterable[Result]) -> list[Red]:
    """Return the tests that failed or were inconclusive."""
    return [
        Red(result.test, result.outcome, result.headline[:500])
        for result in found
        if result.outcome in (FAILED, ERROR)
    ]


def pings_of(facts: Facts) -> Pings | None:
    """Return the pings between pods of different nodes, if there are any."""
    times, lost, paths = [], [], 0
    for source, view in sorted(facts.views.items()):
        if isinstance(view.pod_pings, Unavailable):
            continue
        for target, ping in sorted(view.pod_pings.items()):
            if source == target:
                continue
            paths += 1
            times += [ping.ms] if ping.ms is not None else []
            lost += [] if ping.is_complete else [f"{source}->{target}"]
    if not paths:
        return None
    return Pings(
        median=quantile(times, 0.5),
        p95=quantile(times, 0.95),
        most=max(times, default=0.0),
        paths=paths,
        lost=lost,
    )


def components_of(facts: Facts) -> dict[str, list[Component]]:
    """Return the components of each node that reported them."""
    return {
        node: view.components
        for node, view in sorted(facts.views.items())
        if not isinstance(view.components, Unavailable) and view.components
    }


def round_of(recording: Recording | None, facts: Facts | None, status: int, **known: Any) -> Round:
    """Create a round from its results and facts, either of which may be missing."""
    found = recording.results if recording else []
    checks, red = checks_of(found), reds_of(found)
    problem = _problem(recording, status)
    outcome = PASSED
    if problem and (not red or LEFT_BEHIND in problem):
        outcome = FAILED if found else ERROR
        red.append(Red(THE_RUN, outcome, problem))
    checks[THE_RUN] = CheckRound(outcome, 1, 0.0)
    return Round(
        run=(recording.header if recording else {}).get("run", ""),
        exit=status,
        checks=checks,
        red=red,
        pings=pings_of(facts) if facts else None,
        components=components_of(facts) if facts else {},
        **known,
    )


def _problem(recording: Recording | None, status: int) -> str:
    """Return the problem of a round as a whole in one line, or an empty string."""
    footer = recording.footer if recording else {}
    left = [note for note in footer.get("notes", []) if note.startswith(LEFT_BEHIND)]
    lines = [str(footer.get("problem", "")), *left]
    if status:
        lines.append(f"ended with exit status {status}")
    return next((line.splitlines()[0][:500] for line in lines if line), "")
