# SPDX-License-Identifier: Apache-2.0
"""Which namespaces are left over from dead runs, and which belong to living ones."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.deploy.cleanup import Holder, is_left_over, started, this_process

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ME = this_process()
GONE = Holder(ME.host, ME.boot, ME.process, "1")  # the same id, but it started at another time
ELSEWHERE = Holder("elsewhere", "its boot", 1, "1")


def namespace(age: float, **metadata: str) -> dict[str, Any]:
    """A run's namespace, made `age` seconds ago."""
    created = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"metadata": {"name": "conformance-0", "creationTimestamp": created, **metadata}}


def lease(holder: Holder, idle: float) -> dict[str, Any]:
    """Its lease, renewed `idle` seconds ago."""
    renewed = (NOW - timedelta(seconds=idle)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"spec": {"holderIdentity": str(holder), "renewTime": renewed}}


@pytest.mark.parametrize(
    ("space", "held", "left_over"),
    [
        (namespace(5), lease(ME, 5), False),
        (namespace(900), lease(ME, 300), False),
        (namespace(5), lease(GONE, 1), True),
        (namespace(900), lease(ELSEWHERE, 30), False),
        (namespace(900), lease(ELSEWHERE, 61), True),
        (namespace(5), None, False),
        (namespace(900), None, True),
        (namespace(900, deletionTimestamp="2026-11-23T12:00:00Z"), None, False),
    ],
    ids=[
        "this run", "this run, API slow", "killed here a moment ago", "alive elsewhere",
        "dead elsewhere", "being made", "died while being made", "being deleted",
    ],
)  # fmt: skip
def test_only_dead_runs_are_swept(
    space: dict[str, Any], held: dict[str, Any] | None, left_over: bool
) -> None:
    """A namespace is left over when its process here is gone, or its lease is old; never before."""
    assert bool(is_left_over(space, held, NOW, ME)) is left_over


def test_process_is_known_by_its_start() -> None:
    """A process id that is used again is not mistaken for the one before."""
    assert started(os.getpid()) == ME.started != ""
    assert started(2**22 + 1) == ""
