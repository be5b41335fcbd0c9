# SPDX-License-Identifier: Apache-2.0
"""The clock on which nodes agree."""

from conformance.facts.machine import agreed


def test_clocks_that_were_asked_slowly_agree_with_all() -> None:
    """Ranges that meet name no culprit, however wide; the one beside the others is off."""
    assert agreed([(-0.1, 9.0), (-7.0, 0.2), (-0.1, 0.1)]) == (0.0, 0.0)
    assert agreed([(29.0, 31.0), (28.0, 30.0)]) == (29.0, 30.0)
