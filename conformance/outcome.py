# SPDX-License-Identifier: Apache-2.0
"""Outcomes of a check.

passed
    The test returned.
failed
    The cluster is not as it should be: ``require`` raised ``CheckFailed``.
inconclusive
    The check could not be performed: ``InconclusiveError``, reported as an error, not as a pass or
    failure. If the cluster offers no way to perform the check (another CNI, no etcdctl on the
    nodes), the test is skipped with the reason.
"""

from dataclasses import dataclass
from typing import TypeVar

import pytest

from conformance.codes import Code

T = TypeVar("T")


class CheckFailed(AssertionError):
    """The cluster is not as it should be. The message has place, finding, cause and next step."""

    def __init__(
        self,
        at: str,
        expected: object,
        seen: object,
        likely: str,
        look: str,
        *,
        code: Code,
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
    """The check could not be performed. The message has the reason."""


class ConnectionLostError(InconclusiveError):
    """The connection was lost (for example during a VIP failover); the request may be retried."""


@dataclass(frozen=True)
class Unavailable:
    """A fact that could not be collected. ``unasked`` is the reason.

    ``permanent``: the node or cluster offers no way to collect it, so checks are skipped. Otherwise
    the collection failed, and checks are inconclusive.
    """

    unasked: str
    permanent: bool = False


UNRECORDED = Unavailable("not in this recording: it is older than the check", permanent=True)
"""A fact that is missing from a recording of an older version of the suite."""


def require(
    ok: bool,
    *,
    at: str,
    expected: object,
    seen: object,
    likely: str,
    look: str,
    code: Code,
) -> None:
    """Fail the test unless ``ok``.

    Args:
        ok: the condition.
        at: the node and the file, device or path that was inspected.
        expected: the value in a healthy cluster, and its source.
        seen: the observed value.
        likely: the likely cause.
        look: the next command, and where to run it.
        code: the kind of failure, for programs.

    Raises:
        CheckFailed: with all of these in the message.
    """
    if not ok:
        raise CheckFailed(at, expected, seen, likely, look, code=code)


def value_or_skip(fact: T | Unavailable) -> T:
    """Return the fact; if it is unavailable, skip the test or end it as inconclusive."""
    if isinstance(fact, Unavailable):
        if fact.permanent:
            pytest.skip(fact.unasked)
        raise InconclusiveError(fact.unasked)
    return fact


def _indented(value: object) -> str:
    return str(value).replace("\n", "\n            ")
