# SPDX-License-Identifier: Apache-2.0
"""Histograms of etcd's disk latency."""

import pytest

from conformance.facts.etcd import Histogram


def test_time_spent_is_a_lower_bound() -> None:
    """Each observation counts with the lower bound of its bucket: two with 0.5 s, one with 1 s."""
    waits = Histogram([0.1, 0.5, 1.0], [4, 5, 7], 8)
    assert waits.spent(0.5) == pytest.approx(2.0)
    assert waits.spent(0.1) == pytest.approx(2.1)


def test_difference_of_histograms() -> None:
    """Earlier observations are subtracted, unless the counters were reset."""
    earlier, now = Histogram([0.1, 0.5], [5, 9], 10), Histogram([0.1, 0.5], [8, 12], 13)
    assert now.since(earlier) == Histogram([0.1, 0.5], [3, 3], 3)
    assert earlier.since(now) == earlier


def test_quantile_is_interpolated() -> None:
    """As in Prometheus: at most the last bound; 0 without observations."""
    assert Histogram([0.1, 0.2], [5, 10], 10).quantile(0.75) == pytest.approx(0.15)
    assert Histogram([0.1, 0.2], [0, 1], 10).quantile(0.99) == pytest.approx(0.2)
    assert Histogram([0.1], [0], 0).quantile(0.99) == 0
