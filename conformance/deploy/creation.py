# SPDX-License-Identifier: Apache-2.0
"""What became of the run's objects when they were made: all of them, some, or nothing at all."""

from dataclasses import dataclass, field

from conformance.api.client import RefusedError


@dataclass(frozen=True)
class Refusal:
    """The API's answer to one object: HTTP code and message."""

    code: int
    message: str

    def error(self) -> RefusedError:
        """As whoever needs the object meets it."""
        return RefusedError(self.code, self.message)


@dataclass(frozen=True)
class Made:
    """Objects that the API refused, by name; and why nothing could be made at all, '' if it could.

    A cluster in which nothing can be made is judged, too: by what its API still tells.
    """

    refused: dict[str, Refusal] = field(default_factory=dict)
    broken: str = ""


ALL_OF_IT = Made()
