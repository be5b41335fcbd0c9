# SPDX-License-Identifier: Apache-2.0
"""The few statistics that a soak needs, without a library of them. Pure; each says what it tells.

They are chosen to be honest with few and dirty numbers: bounds instead of bare rates, ranks and
medians instead of means, so that one slow round on a busy machine is no trend.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

CONFIDENCE = 1.96  # standard deviations: 95 of 100
MOST_POINTS = 240  # slopes compare all pairs of points; more are put together


def wilson(hits: int, tries: int, z: float = CONFIDENCE) -> tuple[float, float]:
    """Bounds of a rate of which `hits` in `tries` were seen; (0, 1) if nothing was tried.

    Also right at 0 hits: 50 green rounds mean a flake rate of up to 7 %, not of none.
    """
    if tries <= 0:
        return 0.0, 1.0
    rate = hits / tries
    scale = 1 + z * z / tries
    middle = (rate + z * z / (2 * tries)) / scale
    reach = z * math.sqrt(rate * (1 - rate) / tries + z * z / (4 * tries * tries)) / scale
    low = 0.0 if hits == 0 else max(middle - reach, 0.0)
    return low, 1.0 if hits == tries else min(middle + reach, 1.0)


def by_chance(before: int, tries_before: int, after: int, tries_after: int) -> float:
    """How likely at least `after` of all the hits fall behind by mere chance (Fisher, one-sided).

    Small means: it really happens more often than before.
    """
    hits, tries = before + after, tries_before + tries_after
    ways = math.comb(tries, tries_after)
    most = min(hits, tries_after)
    found = sum(
        math.comb(hits, k) * math.comb(tries - hits, tries_after - k)
        for k in range(after, most + 1)
    )
    return found / ways


@dataclass(frozen=True)
class Trend:
    """A straight line through a series: its height at both ends, and how sure its direction is.

    chance: how likely such an order comes about without any trend (Mann-Kendall, two-sided).
    """

    first: float
    last: float
    slope: float
    chance: float

    @property
    def growth(self) -> float:
        """The change from end to end."""
        return self.last - self.first


def trend(xs: Sequence[float], ys: Sequence[float]) -> Trend:
    """The trend of a series, by Theil and Sen: up to a quarter of it may be outliers.

    `xs` ascend; a series of fewer than two different points has no trend.
    """
    points = thinned(list(zip(xs, ys, strict=True)))
    slopes = [
        (later[1] - sooner[1]) / (later[0] - sooner[0])
        for at, sooner in enumerate(points)
        for later in points[at + 1 :]
        if later[0] > sooner[0]
    ]
    if not slopes:
        level = median(ys) if ys else 0.0
        return Trend(level, level, 0.0, 1.0)
    slope = median(slopes)
    ground = median(y - slope * x for x, y in points)
    return Trend(
        first=ground + slope * points[0][0],
        last=ground + slope * points[-1][0],
        slope=slope,
        chance=mann_kendall([y for _, y in points]),
    )


def thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most so many points as are quickly compared: medians of neighbours."""
    size = math.ceil(len(points) / MOST_POINTS) or 1
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return [(median(x for x, _ in group), median(y for _, y in group)) for group in groups]


def mann_kendall(ys: Sequence[float]) -> float:
    """How likely the order of a series comes about by chance; 1 if it is too short to tell."""
    n = len(ys)
    if n < 4:
        return 1.0
    score = sum((b > a) - (b < a) for at, a in enumerate(ys) for b in ys[at + 1 :])
    ties = [list(ys).count(value) for value in set(ys)]
    spread = n * (n - 1) * (2 * n + 5) - sum(t * (t - 1) * (2 * t + 5) for t in ties)
    if spread <= 0 or score == 0:
        return 1.0
    z = (abs(score) - 1) / math.sqrt(spread / 18)
    return math.erfc(z / math.sqrt(2))


def quantile(ys: Sequence[float], share: float) -> float:
    """The value below which that share of the series lies; 0 for an empty one."""
    ordered = sorted(ys)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
