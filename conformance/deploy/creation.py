# SPDX-License-Identifier: Apache-2.0
"""What became of the run's objects when they were made: all of them, some, or nothing at all."""

from dataclasses import dataclass, field

from conformance.api.client import ApiStatusError


@dataclass(frozen=True)
class Rejection:
    """The API's answer to one object: HTTP code and message."""

    code: int
    message: str

    def error(self) -> ApiStatusError:
        """As whoever needs the object meets it."""
        return ApiStatusError(self.code, self.message)


@dataclass(frozen=True)
class CreationResult:
    """Objects that the API rejected, by name; and why nothing could be made at all, '' if it could.

    A cluster in which nothing can be made is judged, too: by what its API still tells.
    """

    rejected: dict[str, Rejection] = field(default_factory=dict)
    broken: str = ""


COMPLETE = CreationResult()
