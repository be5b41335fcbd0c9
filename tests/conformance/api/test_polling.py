# SPDX-License-Identifier: Apache-2.0
"""Polling: what is raised if the time limit is exceeded."""

import itertools
import time

import pytest

from conformance.api.client import WaitTimeout, poll_until
from conformance.outcome import InconclusiveError


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Advance the clock by a second with each reading, as on a stalled machine."""
    seconds = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(time, "sleep", lambda _: None)


def unreachable() -> str:
    """Fail, as all requests to an API server that does not respond."""
    raise InconclusiveError("connection refused")


@pytest.mark.parametrize("patience", [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
def test_nothing_was_read(patience: float) -> None:
    """Without any successful read, the reason of the last failure is raised at any time limit."""
    with pytest.raises(InconclusiveError, match="connection refused"):
        poll_until(unreachable, bool, patience)


def test_last_value() -> None:
    """If all reads succeed but none is final, the last value is part of the exception."""
    values = iter("abcdef")
    with pytest.raises(WaitTimeout) as late:
        poll_until(values.__next__, "f".__eq__, 1.5)
    assert late.value.last in ("b", "c")


def test_later_success() -> None:
    """A failure before the time limit is not an error."""
    failures = iter([True, False])

    def read() -> str:
        return unreachable() if next(failures) else "ok"

    assert poll_until(read, bool, 5.0) == "ok"
