# SPDX-License-Identifier: Apache-2.0
"""The three ways a check can end, and how each is told.

passed           the test returned.
failed           the cluster is not as it should be: `require` raised `CheckFailed`.
could not ask    asking failed: `InconclusiveError`, reported as an error, never as a pass and never
                 as the cluster's fault. Where the cluster offers no way to ask at all (another
                 CNI, no etcdctl on the nodes), the test is skipped instead, with the reason.
"""

from dataclasses import dataclass
from typing import TypeVar

import pytest

from conformance.codes import Code

T = TypeVar("T")


class CheckFailed(AssertionError):
    """The cluster is not as it should be. The message says where, what, why and what to do."""

    def __init__(
        self,
        at: str,
        expected: object,
        seen: object,
        likely: str,
        look: str,
        *,
        code: Code = Code.UNSPECIFIED,
    ) -> None:
        self.seen = seen
        self.code = code
        self.headline = f"{at}: expected {expected}, seen {seen}".replace("\n", " ")
        super().__init__(
            f"{at}\n"
            f"  expected  {_indented(expected)}\n"
            f"  seen      {_indented(seen)}\n"
            f"  likely    {_indented(likely)}\n"
            f"  next      {_indented(look)}\n"
            f"  code      {code}"
        )


class InconclusiveError(Exception):
    """Asking failed, so there is no verdict about the cluster. The message says what and why."""


class ConnectionLostError(InconclusiveError):
    """The connection broke on the way, as when the API's address moves: to ask again may help."""


@dataclass(frozen=True)
class Unavailable:
    """Stands in the facts where a value should be.

    permanent: the node or cluster offers no way to ask this (a skip); else asking went wrong (an
    error).
    """

    unasked: str
    permanent: bool = False


def require(
    ok: bool,
    *,
    at: str,
    expected: object,
    seen: object,
    likely: str,
    look: str,
    code: Code = Code.UNSPECIFIED,
) -> None:
    """Fail the test unless `ok`.

    Args:
        ok: the condition.
        at: the node and the file, device or path that was looked at.
        expected: what a sound cluster has there, and by which source.
        seen: what was found.
        likely: the likely cause.
        look: the next command, and where to run it.
        code: the kind of failure, for programs.

    Raises:
        CheckFailed: with all of it in the message.
    """
    if not ok:
        raise CheckFailed(at, expected, seen, likely, look, code=code)


def value_or_skip(fact: T | Unavailable) -> T:
    """The fact itself; where it could not be asked, the test is skipped or ends in an error."""
    if isinstance(fact, Unavailable):
        if fact.permanent:
            pytest.skip(fact.unasked)
        raise InconclusiveError(fact.unasked)
    return fact


def _indented(value: object) -> str:
    return str(value).replace("\n", "\n            ")
