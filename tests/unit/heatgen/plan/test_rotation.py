# SPDX-License-Identifier: Apache-2.0
"""Rotation: the next values of the stack's parameters."""

import pytest

from heatgen.plan import rotation


def test_certificates() -> None:
    """The generation grows."""
    agreed = {"certificates_generation": "7", "authority_generations": "1"}
    assert rotation.certificates(agreed) == {"certificates_generation": "8"}


@pytest.mark.parametrize(
    ("agreed", "steps"),
    [
        ("1", ["1,2", "2,1"]),
        ("7", ["7,8", "8,7"]),
        # Interrupted between the two updates.
        ("1,2", ["2,1"]),
        ("2,1", ["2"]),
    ],
)
def test_authorities(agreed: str, steps: list[str]) -> None:
    """First both are trusted and the new one signs, then the new one is alone."""
    found = rotation.authorities({"authority_generations": agreed})
    assert [item["authority_generations"] for item in found] == steps
    assert rotation.both_trusted(found[-1]) == ("," in steps[-1])
