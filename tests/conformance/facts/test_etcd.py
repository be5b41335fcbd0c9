# SPDX-License-Identifier: Apache-2.0
"""Histograms of etcd's disk."""

import pytest

from conformance.facts.etcd import Histogram


def test_time_spent_is_reckoned_by_the_lower_bound() -> None:
    """What is surely known: two writes took 0.5 s at least, one a whole second."""
    waits = Histogram([0.1, 0.5, 1.0], [4, 5, 7], 8)
    assert waits.spent(0.5) == pytest.approx(2.0)
    assert waits.spent(0.1) == pytest.approx(2.1)


def test_what_was_before_does_not_count() -> None:
    """Only what was written while the node was asked; all of it if the member began anew."""
    earlier, now = Histogram([0.1, 0.5], [5, 9], 10), Histogram([0.1, 0.5], [8, 12], 13)
    assert now.since(earlier) == Histogram([0.1, 0.5], [3, 3], 3)
    assert earlier.since(now) == earlier


def test_quantile_is_reckoned_between_bounds() -> None:
    """As Prometheus does; what is beyond the last bound is taken for it; of nothing it is 0."""
    assert Histogram([0.1, 0.2], [5, 10], 10).quantile(0.75) == pytest.approx(0.15)
    assert Histogram([0.1, 0.2], [0, 1], 10).quantile(0.99) == pytest.approx(0.2)
    assert Histogram([0.1], [0], 0).quantile(0.99) == 0
