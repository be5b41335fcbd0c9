# SPDX-License-Identifier: Apache-2.0
"""Tests of the parameters that rotate certificates and authorities."""

import pytest

from heatgen.plan import rotation


def test_certificates() -> None:
    """The generation of certificates is increased by one."""
    agreed = {"certificates_generation": "7", "authority_generations": "1"}
    assert rotation.certificates(agreed) == {"certificates_generation": "8"}


@pytest.mark.parametrize(
    ("agreed", "steps"),
    [
        ("1", ["1,2", "2,1"]),
        ("7", ["7,8", "8,7"]),
        # Interrupted between the two updates of the first step.
        ("1,2", ["2,1"]),
        ("2,1", ["2"]),
    ],
)
def test_authorities(agreed: str, steps: list[str]) -> None:
    """In the first step the new authority becomes trusted and signs, in the second the old ends."""
    found = rotation.authorities({"authority_generations": agreed})
    assert [item["authority_generations"] for item in found] == steps
    assert rotation.both_trusted(found[-1]) == ("," in steps[-1])
