# SPDX-License-Identifier: Apache-2.0
"""Stable codes of check failures. Messages may change, codes may not.

``doc/reference/check-failures.rst`` is generated from this enumeration.
"""

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """What a check found, in one word for programs; ``description`` is one sentence for people."""

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        """Return a member that carries its description."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member

    UNSPECIFIED = "unspecified", "A failure without a code of its own."
