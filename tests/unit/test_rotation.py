# SPDX-License-Identifier: Apache-2.0
"""Rotation: the next values of the stack's parameters."""

import pytest

from heatgen import rotation


@pytest.mark.parametrize(
    ("current", "now", "raised"),
    [("1", 1_800_000_000.9, 1_800_000_000), ("1800000000", 1_700_000_000.0, 1_800_000_001)],
)
def test_certificates(current: str, now: float, raised: int) -> None:
    """The generation grows, even with a clock that goes wrong; a number set back is overtaken."""
    found = rotation.certificates({"certificates_generation": current}, now)
    assert found == {"certificates_generation": str(raised)}


@pytest.mark.parametrize(
    ("current", "steps"),
    [
        ("1", ["1,2", "2,1"]),
        ("7", ["7,8", "8,7"]),
        # Interrupted between the two updates.
        ("1,2", ["2,1"]),
        ("2,1", ["2"]),
    ],
)
def test_authorities(current: str, steps: list[str]) -> None:
    """First both are trusted and the new one signs, then the new one is alone."""
    found = rotation.authorities({"authority_generations": current})
    assert [item["authority_generations"] for item in found] == steps
    assert rotation.both_trusted(found[-1]) == ("," in steps[-1])
