# SPDX-License-Identifier: Apache-2.0
"""Summary of all rounds of a soak: flake rates, drifts, growth and remaining objects. Pure.

``regressions`` decides whether the soak stops early.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from conformance.facts.components import Component
from conformance.results.records import ERROR, FAILED, PASSED
from conformance.soak.history import Round
from conformance.soak.statistics import Trend, by_chance, trend, wilson

IN_A_ROW = 3  # a check that is red in so many consecutive rounds is not flaky
WINDOW = 10  # last rounds, which are compared with all earlier ones
UNLIKELY = 0.001  # probability below which more red rounds are a regression
SURE = 0.01  # probability below which a change is a drift
NOTABLE = 0.2  # least relative change of a drift
LEAST_SECONDS = 0.05  # least change of the duration of a check; less is noise
ENOUGH = 8  # least number of rounds of a trend
WARM_UP = 2  # first rounds, which fill caches and are ignored for growth


@dataclass(frozen=True, kw_only=True)
class CheckHistory:
    """A check over all rounds."""

    check: str
    rounds: int
    evaluated: int
    """Rounds in which it passed, failed or was inconclusive."""
    failed: int
    inconclusive: int
    low: float
    """Lower bound of the flake rate."""
    high: float
    """Upper bound of the flake rate."""
    in_a_row: int
    """Last consecutive rounds in which it was red."""
    pace: Trend
    """Trend of its duration."""
    marks: str
    """One character per round."""
    seconds: list[float] = field(default_factory=list)

    @property
    def red(self) -> int:
        """Rounds in which it failed or was inconclusive."""
        return self.failed + self.inconclusive

    @property
    def rate(self) -> float:
        """The flake rate: the share of evaluated rounds in which it was red."""
        return self.red / self.evaluated if self.evaluated else 0.0

    @property
    def drifts(self) -> bool:
        """Whether its duration changed notably and not by chance."""
        return is_drift(self.pace, len(self.seconds), LEAST_SECONDS)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A number over the rounds: of a component since its last restart, or of a kind of objects."""

    where: str
    what: str
    values: list[float]
    line: Trend
    restarts: int = 0

    @property
    def grows(self) -> bool:
        """Whether it grew notably and not by chance."""
        return self.line.growth > 0 and is_drift(self.line, len(self.values), 0.0)


@dataclass(frozen=True, kw_only=True)
class Soak:
    """Findings of a soak."""

    rounds: list[Round]
    checks: list[CheckHistory]
    pings: list[Growth]
    components: list[Growth]
    objects: list[Growth]
    restarts: list[str]
    regressions: list[str]
    left: list[str] = field(default_factory=list)
    """Objects of rounds that were not deleted."""
    new: list[str] = field(default_factory=list)
    """Other objects that were created during the soak."""

    @property
    def red_rounds(self) -> list[Round]:
        """The rounds with a failed or inconclusive test."""
        return [each for each in self.rounds if each.red]


def is_drift(line: Trend, points: int, least: float) -> bool:
    """Return whether the change between the ends is more than noise and chance."""
    change = abs(line.growth)
    return (
        points >= ENOUGH
        and line.chance < SURE
        and change >= least
        and change >= NOTABLE * max(abs(line.first), 1e-9)
    )


def summarize(
    rounds: list[Round], left: list[str] | None = None, new: list[str] | None = None
) -> Soak:
    """Summarize the rounds of one cluster, in their order."""
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
    """Return the rounds of the last cluster; a recreated cluster is another one."""
    return [each for each in rounds if each.cluster == rounds[-1].cluster]


# ---- checks ----


def check_histories(rounds: list[Round]) -> list[CheckHistory]:
    """Return the history of every check, the worst first."""
    names = sorted({check for each in rounds for check in each.checks})
    histories = [check_history(rounds, name) for name in names]
    return sorted(histories, key=lambda each: (-each.rate, not each.drifts, each.check))


def check_history(rounds: list[Round], check: str) -> CheckHistory:
    """Return the history of a check."""
    outcomes = [each.checks[check].outcome if check in each.checks else "" for each in rounds]
    failed, inconclusive = outcomes.count(FAILED), outcomes.count(ERROR)
    evaluated = failed + inconclusive + outcomes.count(PASSED)
    low, high = wilson(failed + inconclusive, evaluated)
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
        evaluated=evaluated,
        failed=failed,
        inconclusive=inconclusive,
        low=low,
        high=high,
        in_a_row=_in_a_row(outcomes),
        pace=trend(hours, seconds),
        marks="".join(MARKS.get(outcome, "·") for outcome in outcomes),
        seconds=seconds,
    )


MARKS = {PASSED: "+", FAILED: "F", ERROR: "E"}


def _in_a_row(outcomes: list[str]) -> int:
    """Return the number of last consecutive rounds in which it was red."""
    count = 0
    for outcome in reversed(outcomes):
        if outcome not in (FAILED, ERROR):
            break
        count += 1
    return count


def regressions(rounds: list[Round]) -> list[str]:
    """Return the checks that became worse, with the reason; a single red round is not enough."""
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


# ---- growth ----


def _growth(
    rounds: list[Round], where: str, what: str, points: list[tuple[float, float]], restarts: int = 0
) -> Growth:
    hours = [(at - rounds[0].began) / 3600 for at, _ in points]
    values = [value for _, value in points]
    return Growth(
        where=where, what=what, values=values, line=trend(hours, values), restarts=restarts
    )


def _pings(rounds: list[Round]) -> Iterator[Growth]:
    pings = [(each.began, each.pings) for each in rounds if each.pings]
    if not pings:
        return
    yield _growth(rounds, "pod to pod", "median, ms", [(at, p.median) for at, p in pings])
    yield _growth(rounds, "pod to pod", "95th percentile, ms", [(at, p.p95) for at, p in pings])
    lossy = [(at, float(len(p.lost))) for at, p in pings]
    yield _growth(rounds, "pod to pod", "paths with losses", lossy)


def _components(rounds: list[Round]) -> Iterator[Growth]:
    """Yield memory and open files of each component on each node since its last start."""
    keys = dict.fromkeys(
        (node, found.name)
        for each in rounds
        for node, components in each.components.items()
        for found in components
    )
    for node, name in sorted(keys):
        seen = [
            (each.began, [c for c in each.components[node] if c.name == name])
            for each in rounds
            if node in each.components
        ]
        starts = [_starts(found) for _, found in seen if found]
        restarts = sum(a != b for a, b in pairwise(starts))
        current = [(at, found) for at, found in seen if found and _starts(found) == starts[-1]]
        current = current[WARM_UP:] if len(current) >= ENOUGH + WARM_UP else current
        memory = [(at, sum(c.rss for c in found) / 1024) for at, found in current]
        files = [(at, float(sum(c.fds for c in found))) for at, found in current]
        yield _growth(rounds, f"{node}: {name}", "memory, MiB", memory, restarts)
        yield _growth(rounds, f"{node}: {name}", "open files", files, restarts)


def _starts(components: list[Component]) -> frozenset[tuple[int, int]]:
    return frozenset((each.pid, each.started) for each in components)


def _objects(rounds: list[Round]) -> Iterator[Growth]:
    kinds = dict.fromkeys(kind for each in rounds for kind in each.objects)
    for kind in kinds:
        points = [(e.began, float(e.objects[kind])) for e in rounds if kind in e.objects]
        yield _growth(rounds, "cluster", kind, points)


def _restarts(rounds: list[Round]) -> Iterator[str]:
    """Yield components and containers that restarted between the first and the last round."""
    for growth in _components(rounds):
        if growth.restarts and growth.what.startswith("memory"):
            yield f"{growth.where}: restarted {_times(growth.restarts)}"
    counts = [each.restarts for each in rounds if each.objects]
    if counts:
        for name, count in sorted(counts[-1].items()):
            if more := count - counts[0].get(name, 0):
                yield f"{name}: container restarted {_times(more)}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
