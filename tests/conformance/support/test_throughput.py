# SPDX-License-Identifier: Apache-2.0
"""Evaluation of throughput measurements."""

from conformance.support.throughput import Rate


def test_best_of_two_measurements_counts() -> None:
    """A rate that is bad once is acceptable; one that is bad twice is not."""
    busy, calm, slow = Rate(80, 720), Rate(90, 100), Rate(80, 900)
    assert busy.is_bad
    assert not busy.or_better(calm).is_bad
    assert busy.or_better(slow).is_bad
    assert busy.or_better(Rate(80, None)) == busy
