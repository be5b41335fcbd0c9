# SPDX-License-Identifier: Apache-2.0
"""What a soak remembers of each round: one JSON line, appended when the round is over.

The file survives every kill and is never written anew; a soak that finds one goes on with it. Half
a line, left by a kill or a full disk, is passed over.
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
from conformance.results.records import ERROR, FAILED, PASSED, SKIPPED, Recording, Result
from conformance.soak.statistics import quantile

FORMAT = 1
WORST_FIRST = (FAILED, ERROR, PASSED, SKIPPED)
THE_RUN = "the run itself"  # stands for a check where a round could not even begin, or left things


@dataclass(frozen=True)
class CheckRound:
    """A check in one round: its worst outcome, its tests, the mean seconds of those that passed."""

    outcome: str
    tests: int
    seconds: float


@dataclass(frozen=True)
class Red:
    """A test that was not green."""

    test: str
    outcome: str
    headline: str


@dataclass(frozen=True, kw_only=True)
class Pings:
    """All pod pings of a round in milliseconds; `lost` are the paths on which an echo was lost."""

    median: float
    p95: float
    most: float
    paths: int
    lost: list[str]


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round.

    cluster: an identity that a rebuilt cluster does not share. began: seconds since the epoch.
    components: by node. objects: how many of a kind there were when nothing of the run was left.
    restarts: of containers, by NAMESPACE/POD/CONTAINER, those above 0.
    """

    round: int
    run: str
    cluster: str
    began: float
    seconds: float
    exit: int
    checks: dict[str, CheckRound]
    red: list[Red] = field(default_factory=list)
    pings: Pings | None = None
    components: dict[str, list[Component]] = field(default_factory=dict)
    objects: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    format: int = FORMAT


class HistoryError(ValueError):
    """Not a history file. The message says which, and why."""


def append(path: Path, line: Round) -> None:
    """Add a round, in one write; a half line before it is closed first."""
    text = json.dumps(dataclasses.asdict(line)) + "\n"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.lseek(file, 0, os.SEEK_END)
        whole = size == 0 or os.pread(file, 1, size - 1) == b"\n"
        os.write(file, (text if whole else "\n" + text).encode())
    finally:
        os.close(file)


def parse(text: str) -> list[Round]:
    """The rounds in a history's text; broken lines are passed over."""
    rounds = []
    for line in text.splitlines():
        try:
            plain = json.loads(line)
            rounds.append(from_plain(Round, plain))
        except (ValueError, TypeError):
            continue
    return rounds


def read(path: Path) -> list[Round]:
    """The rounds in a file, none if there is no such file yet.

    Raises:
        HistoryError: if it is some other file: it is not empty, and holds no round.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as problem:
        raise HistoryError(f"{path}: {problem}") from None
    rounds = parse(text)
    if len(text.splitlines()) > 1 and not rounds:
        raise HistoryError(f"{path}: no history of a soak")
    return rounds


# ---- one round, from what it left ----


def checks_of(found: Iterable[Result]) -> dict[str, CheckRound]:
    """Each check of a round."""
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
    """The tests that failed or could not ask."""
    return [
        Red(result.test, result.outcome, result.headline[:500])
        for result in found
        if result.outcome in (FAILED, ERROR)
    ]


def pings_of(facts: Facts) -> Pings | None:
    """How long echoes between pods of different nodes took."""
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
    """The components of each node that told them."""
    return {
        node: view.components
        for node, view in sorted(facts.views.items())
        if not isinstance(view.components, Unavailable) and view.components
    }


def round_of(recording: Recording | None, facts: Facts | None, status: int, **known: Any) -> Round:
    """A round from its results and facts, each of which it may not have come to."""
    found = recording.results if recording else []
    checks, red = checks_of(found), reds_of(found)
    problem = _problem(recording, status)
    outcome = PASSED
    if problem and (not red or "LEFT BEHIND" in problem):
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
    """What was wrong with a round as a whole, in one line; '' if nothing was."""
    footer = recording.footer if recording else {}
    left = [note for note in footer.get("notes", []) if note.startswith("LEFT BEHIND")]
    said = [str(footer.get("problem", "")), *left]
    if status:
        said.append(f"ended with exit status {status}")
    return next((line.splitlines()[0][:500] for line in said if line), "")
