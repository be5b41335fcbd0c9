# SPDX-License-Identifier: Apache-2.0
"""Rates between nodes."""

from conformance.support.throughput import Rate


def test_rate_that_was_bad_for_a_moment_is_not_held_against_pods() -> None:
    """Of two measurements the best of each counts; a way that is slow both times stays bad."""
    busy, calm, slow = Rate(80, 720), Rate(90, 100), Rate(80, 900)
    assert busy.is_bad
    assert not busy.or_better(calm).is_bad
    assert busy.or_better(slow).is_bad
    assert busy.or_better(Rate(80, None)) == busy
