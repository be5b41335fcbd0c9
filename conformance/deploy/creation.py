# SPDX-License-Identifier: Apache-2.0
"""Result of creating the run's objects: complete, partial or failed."""

from dataclasses import dataclass, field

from conformance.api.client import ApiStatusError


@dataclass(frozen=True)
class Rejection:
    """The API's response to an object that it rejected."""

    code: int
    """HTTP status; 0 without a response."""
    message: str

    def error(self) -> ApiStatusError:
        """Return the error for checks that need the object."""
        return ApiStatusError(self.code, self.message)


@dataclass(frozen=True)
class CreationResult:
    """Outcome of the creation. If the API stores nothing, checks still use what it returns."""

    rejected: dict[str, Rejection] = field(default_factory=dict)
    """Rejected objects by name."""
    broken: str = ""
    """Why no object could be created; empty if some could."""


COMPLETE = CreationResult()
