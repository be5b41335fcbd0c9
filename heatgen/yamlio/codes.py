# SPDX-License-Identifier: Apache-2.0
"""Stable codes of problems, as in butane's ``errors.go``. Messages may change, codes may not.

``doc/reference/errors.rst`` is generated from this enumeration.
"""

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """What is wrong, in one word for programs; ``description`` is one sentence for people."""

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        """Return a member that carries its description."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member

    UNSPECIFIED = "unspecified", "A problem without a code of its own."

    # Blocks.
    DEPRECATED_NAME = (
        "deprecated-name",
        "A name has been replaced by another one; the old name works for one more release.",
    )
