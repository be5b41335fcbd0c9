# SPDX-License-Identifier: Apache-2.0
"""Statistics of a soak, without a library. Pure.

They are robust for few and noisy values: confidence intervals instead of plain rates, ranks and
medians instead of means, so that one slow round on a busy machine is not a trend.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

CONFIDENCE = 1.96  # standard deviations: 95 %
MOST_POINTS = 240  # slopes compare all pairs of points; longer series are thinned


def wilson(hits: int, tries: int, z: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson interval of a rate with ``hits`` in ``tries``; (0, 1) without tries.

    Also valid for 0 hits: after 50 green rounds the flake rate is up to 7 %, not 0.
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
    """Return the probability that ``after`` or more of all hits occur late by chance.

    Fisher's exact test, one-sided. A small value means that hits became more frequent.
    """
    hits, tries = before + after, tries_before + tries_after
    combinations = math.comb(tries, tries_after)
    most = min(hits, tries_after)
    found = sum(
        math.comb(hits, k) * math.comb(tries - hits, tries_after - k)
        for k in range(after, most + 1)
    )
    return found / combinations


@dataclass(frozen=True)
class Trend:
    """A straight line through a series."""

    first: float
    """Value at the start of the line."""
    last: float
    """Value at its end."""
    slope: float
    chance: float
    """Probability of such an order without a trend (Mann-Kendall, two-sided)."""

    @property
    def growth(self) -> float:
        """The change from end to end."""
        return self.last - self.first


def trend(xs: Sequence[float], ys: Sequence[float]) -> Trend:
    """Return the Theil-Sen line of a series; up to a quarter of the points may be outliers.

    ``xs`` must ascend. A series with fewer than two different ``xs`` has no trend.
    """
    points = thinned(list(zip(xs, ys, strict=True)))
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for at, earlier in enumerate(points)
        for later in points[at + 1 :]
        if later[0] > earlier[0]
    ]
    if not slopes:
        level = median(ys) if ys else 0.0
        return Trend(level, level, 0.0, 1.0)
    slope = median(slopes)
    intercept = median(y - slope * x for x, y in points)
    return Trend(
        first=intercept + slope * points[0][0],
        last=intercept + slope * points[-1][0],
        slope=slope,
        chance=mann_kendall([y for _, y in points]),
    )


def thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Reduce a series to ``MOST_POINTS`` points at most: medians of adjacent points."""
    size = math.ceil(len(points) / MOST_POINTS) or 1
    groups = [points[at : at + size] for at in range(0, len(points), size)]
    return [(median(x for x, _ in group), median(y for _, y in group)) for group in groups]


def mann_kendall(ys: Sequence[float]) -> float:
    """Return the probability of the order of a series by chance; 1 if the series is too short."""
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
    """Return the quantile of a series; 0 if it is empty."""
    ordered = sorted(ys)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
