# SPDX-License-Identifier: Apache-2.0
"""What the rounds of a soak tell together: how often checks flake, what drifts, grows or is left.

Pure: rounds in, findings out. What makes the soak stop early is `regressions`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from conformance.facts.components import Component
from conformance.results.records import ERROR, FAILED, PASSED
from conformance.soak.history import Round
from conformance.soak.statistics import Trend, by_chance, trend, wilson

IN_A_ROW = 3  # red so many rounds in succession is no flake
WINDOW = 10  # the last rounds, which are held against all before them
UNLIKELY = 0.001  # of chance: more reds than the check's own flake rate explains
SURE = 0.01  # of chance: a drift is told below this
NOTABLE = 0.2  # a drift is told from this share of the value on
LEAST_SECONDS = 0.05  # and a check's from this on: less is noise
ENOUGH = 8  # rounds before anything is called a trend
TAKING_OFF = 2  # rounds that warm caches up, and count for no growth


@dataclass(frozen=True, kw_only=True)
class CheckHistory:
    """A check over all rounds. `judged` are the rounds in which it was green or red."""

    check: str
    rounds: int
    judged: int
    failed: int
    unasked: int
    low: float
    high: float
    in_a_row: int
    pace: Trend
    marks: str
    seconds: list[float] = field(default_factory=list)

    @property
    def red(self) -> int:
        """Rounds in which it was not green."""
        return self.failed + self.unasked

    @property
    def rate(self) -> float:
        """The share of rounds in which it was not green."""
        return self.red / self.judged if self.judged else 0.0

    @property
    def drifts(self) -> bool:
        """Does it take notably longer (or shorter) at the end, and not by chance?"""
        return is_drift(self.pace, len(self.seconds), LEAST_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A number of a component over the rounds in which it ran without a restart, or of a kind."""

    where: str
    what: str
    values: list[float]
    line: Trend
    restarts: int = 0

    @property
    def grows(self) -> bool:
        """Does it grow, notably and not by chance?"""
        return self.line.growth > 0 and is_drift(self.line, len(self.values), 0.0)


@dataclass(frozen=True, kw_only=True)
class Soak:
    """All that the rounds tell. `left` is the rounds' own, `new` what others made meanwhile."""

    rounds: list[Round]
    checks: list[CheckHistory]
    pings: list[Growth]
    components: list[Growth]
    objects: list[Growth]
    restarts: list[str]
    regressions: list[str]
    left: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    @property
    def red_rounds(self) -> list[Round]:
        """The rounds in which not all was green."""
        return [each for each in self.rounds if each.red]


def is_drift(line: Trend, points: int, least: float) -> bool:
    """Is the change between the ends more than noise, and more than chance?"""
    change = abs(line.growth)
    return (
        points >= ENOUGH
        and line.chance < SURE
        and change >= least
        and change >= NOTABLE * max(abs(line.first), 1e-9)
    )


def of(rounds: list[Round], left: list[str] | None = None, new: list[str] | None = None) -> Soak:
    """Everything, from the rounds of one cluster in their order."""
    return Soak(
        rounds=rounds,
        checks=check_histories(rounds),
        pings=list(_pings(rounds)),
        components=list(_components(rounds)),
        objects=list(_objects(rounds)),
        restarts=list(_restarts(rounds)),
        regressions=regressions(rounds),
        left=left or [],
        new=new or [],
    )


def same_cluster(rounds: list[Round]) -> list[Round]:
    """The rounds of the cluster that came last: one that was built anew is another."""
    return [each for each in rounds if each.cluster == rounds[-1].cluster]


# ---- checks ----


def check_histories(rounds: list[Round]) -> list[CheckHistory]:
    """Every check, the worst first."""
    names = sorted({check for each in rounds for check in each.checks})
    histories = [check_history(rounds, name) for name in names]
    return sorted(histories, key=lambda each: (-each.rate, not each.drifts, each.check))


def check_history(rounds: list[Round], check: str) -> CheckHistory:
    """One check over the rounds."""
    outcomes = [each.checks[check].outcome if check in each.checks else "" for each in rounds]
    failed, unasked = outcomes.count(FAILED), outcomes.count(ERROR)
    judged = failed + unasked + outcomes.count(PASSED)
    low, high = wilson(failed + unasked, judged)
    timed = [
        (each.began, each.checks[check].seconds)
        for each in rounds
        if check in each.checks and each.checks[check].outcome == PASSED
    ]
    hours = [(at - rounds[0].began) / 3600 for at, _ in timed]
    seconds = [seconds for _, seconds in timed]
    return CheckHistory(
        check=check,
        rounds=len(rounds),
        judged=judged,
        failed=failed,
        unasked=unasked,
        low=low,
        high=high,
        in_a_row=_in_a_row(outcomes),
        pace=trend(hours, seconds),
        marks="".join(MARKS.get(outcome, "·") for outcome in outcomes),
        seconds=seconds,
    )


MARKS = {PASSED: "+", FAILED: "F", ERROR: "E"}


def _in_a_row(outcomes: list[str]) -> int:
    """In how many of the last rounds, one behind the other, it was red."""
    count = 0
    for outcome in reversed(outcomes):
        if outcome not in (FAILED, ERROR):
            break
        count += 1
    return count


def regressions(rounds: list[Round]) -> list[str]:
    """Checks that are worse than they were, each with the reason; one red alone is none."""
    found = []
    for history in check_histories(rounds):
        if history.in_a_row >= IN_A_ROW:
            found.append(f"{history.check}: red in the last {history.in_a_row} rounds")
            continue
        marks = history.marks.replace("·", "")
        before, last = marks[:-WINDOW], marks[-WINDOW:]
        reds = len(last) - last.count("+")
        earlier = len(before) - before.count("+")
        if len(before) < WINDOW or reds < 2:
            continue
        chance = by_chance(earlier, len(before), reds, len(last))
        if chance < UNLIKELY:
            found.append(
                f"{history.check}: red in {reds} of the last {len(last)} rounds, in {earlier} of "
                f"{len(before)} before; by chance once in {1 / max(chance, 1e-9):.0f}"
            )
    return found


# ---- what grows ----


def _growth(
    rounds: list[Round], where: str, what: str, points: list[tuple[float, float]], restarts: int = 0
) -> Growth:
    hours = [(at - rounds[0].began) / 3600 for at, _ in points]
    values = [value for _, value in points]
    return Growth(
        where=where, what=what, values=values, line=trend(hours, values), restarts=restarts
    )


def _pings(rounds: list[Round]) -> Iterator[Growth]:
    told = [(each.began, each.pings) for each in rounds if each.pings]
    if not told:
        return
    yield _growth(rounds, "pod to pod", "median, ms", [(at, p.median) for at, p in told])
    yield _growth(rounds, "pod to pod", "95 of 100 below, ms", [(at, p.p95) for at, p in told])
    yield _growth(rounds, "pod to pod", "paths that lost", [(at, len(p.lost)) for at, p in told])


def _components(rounds: list[Round]) -> Iterator[Growth]:
    """Memory and open files of each component on each node since it was last started."""
    keys = dict.fromkeys(
        (node, found.name)
        for each in rounds
        for node, told in each.components.items()
        for found in told
    )
    for node, name in sorted(keys):
        seen = [
            (each.began, [c for c in each.components[node] if c.name == name])
            for each in rounds
            if node in each.components
        ]
        starts = [_starts(told) for _, told in seen if told]
        restarts = sum(a != b for a, b in pairwise(starts))
        alike = [(at, told) for at, told in seen if told and _starts(told) == starts[-1]]
        alike = alike[TAKING_OFF:] if len(alike) >= ENOUGH + TAKING_OFF else alike
        memory = [(at, sum(c.rss for c in told) / 1024) for at, told in alike]
        files = [(at, float(sum(c.fds for c in told))) for at, told in alike]
        yield _growth(rounds, f"{node}: {name}", "memory, MiB", memory, restarts)
        yield _growth(rounds, f"{node}: {name}", "open files", files, restarts)


def _starts(told: list[Component]) -> frozenset[tuple[int, int]]:
    return frozenset((each.pid, each.started) for each in told)


def _objects(rounds: list[Round]) -> Iterator[Growth]:
    kinds = dict.fromkeys(kind for each in rounds for kind in each.objects)
    for kind in kinds:
        points = [(e.began, float(e.objects[kind])) for e in rounds if kind in e.objects]
        yield _growth(rounds, "cluster", kind, points)


def _restarts(rounds: list[Round]) -> Iterator[str]:
    """Components and containers that were started again between the first and the last round."""
    for growth in _components(rounds):
        if growth.restarts and growth.what.startswith("memory"):
            yield f"{growth.where}: another process {growth.restarts} times"
    told = [each.restarts for each in rounds if each.objects]
    if told:
        for name, count in sorted(told[-1].items()):
            if more := count - told[0].get(name, 0):
                yield f"{name}: its container restarted {more} times"
