# SPDX-License-Identifier: Apache-2.0
"""Statistics of a soak: known values and invariants."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.soak import statistics

series = st.lists(st.floats(-1e6, 1e6), min_size=0, max_size=60)


@pytest.mark.parametrize(
    ("hits", "tries", "low", "high"),
    [(0, 50, 0.0, 0.0713), (1, 50, 0.0035, 0.1050), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1)],
)
def test_bounds_of_a_rate(hits: int, tries: int, low: float, high: float) -> None:
    """Wilson intervals equal published values."""
    assert statistics.wilson(hits, tries) == pytest.approx((low, high), abs=1e-4)


@given(tries=st.integers(0, 500), share=st.floats(0, 1))
def test_bounds_contain_the_rate(tries: int, share: float) -> None:
    """An interval is within 0 and 1, contains the rate, and is narrower with more tries."""
    hits = round(tries * share)
    low, high = statistics.wilson(hits, tries)
    assert 0 <= low <= (hits / tries if tries else 0.5) <= high <= 1
    if tries:
        closer = statistics.wilson(hits * 4, tries * 4)
        assert closer[1] - closer[0] <= high - low + 1e-9


def test_more_often_than_before() -> None:
    """Fisher's test equals known values; without hits the probability is 1."""
    assert statistics.by_chance(1, 10, 9, 10) == pytest.approx(0.000547, abs=1e-6)
    assert statistics.by_chance(0, 40, 4, 10) == pytest.approx(210 / 230300)
    assert statistics.by_chance(0, 40, 0, 10) == 1


@given(st.integers(0, 30), st.integers(0, 30), st.data())
def test_chance_is_a_probability(tries_before: int, tries_after: int, data: st.DataObject) -> None:
    """The result of Fisher's test is greater than 0 and at most 1."""
    before = data.draw(st.integers(0, tries_before))
    after = data.draw(st.integers(0, tries_after))
    chance = statistics.by_chance(before, tries_before, after, tries_after)
    assert 0 < chance <= 1 + 1e-9


@given(st.floats(-100, 100), st.floats(-100, 100), st.integers(3, 40))
def test_straight_line_is_found(slope: float, intercept: float, points: int) -> None:
    """Without noise, slope and both ends are exact."""
    xs = [float(x) for x in range(points)]
    found = statistics.trend(xs, [intercept + slope * x for x in xs])
    assert found.slope == pytest.approx(slope, abs=1e-6)
    assert found.first == pytest.approx(intercept, abs=1e-6)
    assert found.growth == pytest.approx(slope * (points - 1), abs=1e-4)


def test_outliers_are_no_trend() -> None:
    """Five outliers in forty rounds change neither slope nor significance."""
    ys = [1.0 + 0.01 * (at * 7 % 5) for at in range(40)]
    for at in (3, 11, 19, 27, 35):
        ys[at] = 50.0
    found = statistics.trend([float(x) for x in range(40)], ys)
    assert abs(found.growth) < 0.05
    assert found.chance > 0.05


def test_growth_in_noise_is_significant() -> None:
    """A growth of 0.1 per round is significant in noise of 0.5."""
    noise = random.Random(7)
    ys = [10 + 0.1 * at + noise.uniform(-0.5, 0.5) for at in range(60)]
    found = statistics.trend([float(x) for x in range(60)], ys)
    assert found.growth == pytest.approx(6, abs=1)
    assert found.chance < 1e-6


@given(series)
def test_any_series_has_a_trend(ys: list[float]) -> None:
    """Any series has a trend; that of a constant series has slope 0 and probability 1."""
    found = statistics.trend([float(at) for at in range(len(ys))], ys)
    assert 0 <= found.chance <= 1
    constant = statistics.trend([float(at) for at in range(len(ys))], [1.0] * len(ys))
    assert (constant.slope, constant.chance) == (0, 1)


def test_points_at_one_moment_have_no_trend() -> None:
    """Points with the same x have no trend."""
    assert statistics.trend([1.0, 1.0], [1.0, 5.0]) == statistics.Trend(3.0, 3.0, 0.0, 1.0)


def test_long_series_are_thinned() -> None:
    """A long series is thinned without changing its slope."""
    found = statistics.trend([float(x) for x in range(2000)], [2.0 * x for x in range(2000)])
    assert found.slope == pytest.approx(2)
    assert len(statistics.thinned([(float(x), 0.0) for x in range(2000)])) <= statistics.MOST_POINTS


def test_quantiles() -> None:
    """Quantiles equal known values; that of an empty series is 0."""
    assert statistics.quantile([3, 1, 2, 4], 0.5) == 3
    assert statistics.quantile([1], 0.95) == 1
    assert statistics.quantile([], 0.5) == 0
