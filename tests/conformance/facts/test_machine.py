# SPDX-License-Identifier: Apache-2.0
"""Clock offsets."""

from conformance.facts.machine import agreed


def test_agreed_range_is_that_of_most_clocks() -> None:
    """Ranges that overlap with the suite's own clock agree, however wide; others outvote it."""
    assert agreed([(-0.1, 9.0), (-7.0, 0.2), (-0.1, 0.1)]) == (0.0, 0.0)
    assert agreed([(29.0, 31.0), (28.0, 30.0)]) == (29.0, 30.0)
