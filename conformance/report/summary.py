# SPDX-License-Identifier: Apache-2.0
"""Summary of a run: overall result, failures, inconclusive tests by cause, layers, checks. Pure.

The HTML report, the JUnit file and the CI summary all use it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from conformance.layers import LAYERS
from conformance.results.records import (
    ERROR,
    FAILED,
    LEFT_BEHIND,
    NOT_EVALUATED,
    PASSED,
    SKIPPED,
    Recording,
    Result,
)

SOUND, BROKEN, UNCLEAR = "sound", "broken", "unclear"
# Labels in messages of ``CheckFailed``.
PARTS = ("expected", "seen", "likely", "next", "code")


@dataclass(frozen=True)
class RunVerdict:
    """Overall result of a run."""

    kind: str
    """``SOUND``, ``BROKEN`` or ``UNCLEAR``."""
    title: str
    reason: str


@dataclass(frozen=True)
class FailureMessage:
    """Message of a failure."""

    at: str
    parts: dict[str, str]
    """Text by label."""
    rest: str
    """The complete message if it has no parts."""


@dataclass(frozen=True)
class Group:
    """Tests with the same headline."""

    headline: str
    results: list[Result]

    @property
    def checks(self) -> list[str]:
        """The checks of the tests."""
        return list(dict.fromkeys(result.check for result in self.results))


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """Numbers of a layer."""

    name: str
    meaning: str
    counts: dict[str, int]
    seconds: float
    """Sum of the durations of its tests."""
    span: float
    """Seconds from the start of its first test to the end of its last one."""


@dataclass(frozen=True, kw_only=True)
class CheckSummary:
    """Numbers of a check over all its tests."""

    name: str
    layer: str
    asserts: str
    detects: list[str]
    counts: dict[str, int]
    median: float
    longest: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Summary of a run."""

    verdict: RunVerdict
    counts: dict[str, int]
    failures: list[Result]
    inconclusive: list[Group]
    skips: list[Group]
    warnings: list[tuple[str, str]]
    layers: list[LayerSummary]
    checks: list[CheckSummary]
    problems: list[str]
    """Problems of the run itself."""


def summarize(recording: Recording) -> Summary:
    """Summarize a recording."""
    results = recording.results
    counts = count(results)
    notes = [str(note) for note in recording.footer.get("notes", [])]
    problem = str(recording.footer.get("problem", ""))
    problems = [note for note in notes if note.startswith((LEFT_BEHIND, NOT_EVALUATED))]
    problems += [problem] if problem else []
    return Summary(
        verdict=verdict(recording, counts, problems),
        counts=counts,
        failures=[result for result in results if result.outcome == FAILED],
        inconclusive=grouped(result for result in results if result.outcome == ERROR),
        skips=grouped(result for result in results if result.outcome == SKIPPED),
        warnings=[
            (result.test, result.properties["warning"])
            for result in results
            if result.properties.get("warning")
        ],
        layers=list(layers(results)),
        checks=checks(results),
        problems=problems,
    )


def count(results: Iterable[Result]) -> dict[str, int]:
    """Return the number of results of each outcome."""
    found = dict.fromkeys((PASSED, FAILED, ERROR, SKIPPED), 0)
    for result in results:
        found[result.outcome] = found.get(result.outcome, 0) + 1
    return found


def verdict(recording: Recording, counts: dict[str, int], problems: list[str]) -> RunVerdict:
    """Return the overall result: sound only if all tests completed and nothing is red or left."""
    failed, errors = counts[FAILED], counts[ERROR]
    if failed:
        also = f", {errors} inconclusive" if errors else ""
        return RunVerdict(BROKEN, "Not sound", f"{tests(failed)} failed{also}")
    if not recording.footer:
        return RunVerdict(UNCLEAR, "Unfinished", "the run was killed")
    if problems and not recording.results:
        return RunVerdict(UNCLEAR, "Not started", problems[0])
    if errors:
        return RunVerdict(UNCLEAR, "Unclear", f"{tests(errors)} inconclusive")
    if recording.footer.get("exit") == 2:
        return RunVerdict(UNCLEAR, "Interrupted", "the run was interrupted before its end")
    if problems:
        left = problems[0].startswith(LEFT_BEHIND)
        return RunVerdict(
            BROKEN if left else UNCLEAR, "Not sound" if left else "Unclear", problems[0]
        )
    if not counts[PASSED]:
        return RunVerdict(UNCLEAR, "Nothing evaluated", "no test passed or failed")
    if recording.footer.get("exit"):
        return RunVerdict(
            UNCLEAR, "Unclear", f"pytest ended with status {recording.footer['exit']}"
        )
    return RunVerdict(SOUND, "Sound", f"{tests(counts[PASSED])} passed, none failed")


def tests(number: int) -> str:
    """Return ``1 test``, ``2 tests`` and so on."""
    return f"{number} test{'' if number == 1 else 's'}"


def parse_message(result: Result) -> FailureMessage:
    """Split the message of a failure into its parts, if it has any."""
    at, *lines = result.detail.split("\n")
    parts: dict[str, str] = {}
    name = ""
    for line in lines:
        labeled = re.match(rf"  ({'|'.join(PARTS)}) +(.*)", line)
        if labeled:
            name = labeled[1]
            parts[name] = labeled[2]
        elif name and line.startswith(" " * 12):
            parts[name] += "\n" + line[12:]
        else:
            return FailureMessage(result.headline, {}, result.detail)
    return (
        FailureMessage(at, parts, "")
        if parts
        else FailureMessage(result.headline, {}, result.detail)
    )


def grouped(results: Iterable[Result]) -> list[Group]:
    """Group results by headline, the largest group first: many tests may have the same cause."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.headline or "no reason given", []).append(result)
    return sorted(
        (Group(headline, each) for headline, each in found.items()),
        key=lambda group: (-len(group.results), group.headline),
    )


def layers(results: list[Result]) -> Iterable[LayerSummary]:
    """Yield the layers that have results, in order."""
    for name, meaning in (LAYERS | {"": "checks without a layer"}).items():
        mine = [result for result in results if _layer(result) == name]
        if not mine:
            continue
        ran = [result for result in mine if result.outcome != SKIPPED]
        began = min((result.start + result.setup for result in ran), default=0.0)
        ended = max((r.start + r.setup + r.seconds for r in ran), default=0.0)
        seconds = sum(result.seconds for result in mine)
        yield LayerSummary(
            name=name or "other",
            meaning=meaning,
            counts=count(mine),
            seconds=seconds,
            span=max(ended - began, 0.0),
        )


def _layer(result: Result) -> str:
    return result.layer if result.layer in LAYERS else ""


def checks(results: list[Result]) -> list[CheckSummary]:
    """Return all checks by layer, those with most failures first."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.check, []).append(result)
    order = [*LAYERS, ""]
    place: Callable[[CheckSummary], tuple[int, int, str]] = lambda each: (  # noqa: E731  it needs a type
        order.index(each.layer),
        -each.counts[FAILED] - each.counts[ERROR],
        each.name,
    )
    return sorted((_check(name, mine) for name, mine in found.items()), key=place)


def _check(name: str, mine: list[Result]) -> CheckSummary:
    ran = [result.seconds for result in mine if result.outcome != SKIPPED]
    return CheckSummary(
        name=name,
        layer=_layer(mine[0]),
        asserts=mine[0].asserts,
        detects=mine[0].detects,
        counts=count(mine),
        median=median(ran) if ran else 0.0,
        longest=max(ran, default=0.0),
    )
