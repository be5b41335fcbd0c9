# SPDX-License-Identifier: Apache-2.0
"""A run's results, put in order for people: the verdict, failures, one cause for many errors.

Pure. The page, the JUnit file and the summary for CI all tell what stands here.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from conformance.layers import LAYERS
from conformance.results.records import ERROR, FAILED, PASSED, SKIPPED, Recording, Result

SOUND, BROKEN, UNCLEAR = "sound", "broken", "unclear"
PARTS = ("expected", "seen", "likely", "next", "code")


@dataclass(frozen=True)
class RunVerdict:
    """`kind` is one of three; `word` and `why` say it to people."""

    kind: str
    word: str
    why: str


@dataclass(frozen=True)
class FailureMessage:
    """A failure's message in its parts; `rest` if it has another form."""

    at: str
    parts: dict[str, str]
    rest: str


@dataclass(frozen=True)
class Group:
    """Tests that say the same."""

    headline: str
    results: list[Result]

    @property
    def checks(self) -> list[str]:
        """The checks they belong to."""
        return list(dict.fromkeys(result.check for result in self.results))


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """A layer in numbers. seconds: its tests' own, added up; span: from first begin to last end."""

    name: str
    meaning: str
    counts: dict[str, int]
    seconds: float
    span: float


@dataclass(frozen=True, kw_only=True)
class CheckSummary:
    """A check over all its tests."""

    name: str
    layer: str
    asserts: str
    detects: list[str]
    counts: dict[str, int]
    typical: float
    longest: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everything in order."""

    verdict: RunVerdict
    counts: dict[str, int]
    failures: list[Result]
    unasked: list[Group]
    skips: list[Group]
    warnings: list[tuple[str, str]]
    layers: list[LayerSummary]
    checks: list[CheckSummary]
    problems: list[str]


def of(recording: Recording) -> Summary:
    """Return the summary of a recording."""
    results = recording.results
    counts = count(results)
    notes = [str(note) for note in recording.footer.get("notes", [])]
    problem = str(recording.footer.get("problem", ""))
    problems = [note for note in notes if note.startswith(("LEFT BEHIND", "nothing was judged"))]
    problems += [problem] if problem else []
    return Summary(
        verdict=verdict(recording, counts, problems),
        counts=counts,
        failures=[result for result in results if result.outcome == FAILED],
        unasked=grouped(result for result in results if result.outcome == ERROR),
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
    """How many there are of each outcome."""
    found = dict.fromkeys((PASSED, FAILED, ERROR, SKIPPED), 0)
    for result in results:
        found[result.outcome] = found.get(result.outcome, 0) + 1
    return found


def verdict(recording: Recording, counts: dict[str, int], problems: list[str]) -> RunVerdict:
    """Sound only if all that was begun came to its end, and nothing was red or left."""
    failed, errors = counts[FAILED], counts[ERROR]
    if failed:
        also = f", {tests(errors)} could not ask" if errors else ""
        return RunVerdict(BROKEN, "Not sound", f"{tests(failed)} failed{also}")
    if not recording.footer:
        return RunVerdict(UNCLEAR, "Unfinished", "the run was killed before its end")
    if problems and not recording.results:
        return RunVerdict(UNCLEAR, "Not begun", problems[0])
    if errors:
        return RunVerdict(UNCLEAR, "Unclear", f"{tests(errors)} could not ask")
    if recording.footer.get("exit") == 2:
        return RunVerdict(UNCLEAR, "Interrupted", "the run was ended before it was over")
    if problems:
        left = problems[0].startswith("LEFT BEHIND")
        return RunVerdict(
            BROKEN if left else UNCLEAR, "Not sound" if left else "Unclear", problems[0]
        )
    if not counts[PASSED]:
        return RunVerdict(UNCLEAR, "Nothing judged", "no test passed and none failed")
    if recording.footer.get("exit"):
        return RunVerdict(
            UNCLEAR, "Unclear", f"pytest ended with status {recording.footer['exit']}"
        )
    return RunVerdict(SOUND, "Sound", f"{tests(counts[PASSED])} passed, none failed")


def tests(number: int) -> str:
    """`1 test`, `2 tests`."""
    return f"{number} test{'' if number == 1 else 's'}"


def parse_message(result: Result) -> FailureMessage:
    """A failure's message, in parts if it has them."""
    at, *lines = result.detail.split("\n")
    parts: dict[str, str] = {}
    name = ""
    for line in lines:
        begins = re.match(rf"  ({'|'.join(PARTS)}) +(.*)", line)
        if begins:
            name = begins[1]
            parts[name] = begins[2]
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
    """By what they say, most first: one cause may stand behind many tests."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.headline or "no reason given", []).append(result)
    return sorted(
        (Group(headline, each) for headline, each in found.items()),
        key=lambda group: (-len(group.results), group.headline),
    )


def layers(results: list[Result]) -> Iterable[LayerSummary]:
    """The layers that anything was judged of, from the ground up."""
    for name, meaning in (LAYERS | {"": "no layer of its own"}).items():
        mine = [result for result in results if _layer(result) == name]
        if not mine:
            continue
        ran = [result for result in mine if result.outcome != SKIPPED]
        begun = min((result.start + result.setup for result in ran), default=0.0)
        ended = max((r.start + r.setup + r.seconds for r in ran), default=0.0)
        seconds = sum(result.seconds for result in mine)
        yield LayerSummary(
            name=name or "other",
            meaning=meaning,
            counts=count(mine),
            seconds=seconds,
            span=max(ended - begun, 0.0),
        )


def _layer(result: Result) -> str:
    return result.layer if result.layer in LAYERS else ""


def checks(results: list[Result]) -> list[CheckSummary]:
    """Every check, by layer, the reddest first."""
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
        typical=median(ran) if ran else 0.0,
        longest=max(ran, default=0.0),
    )
