# SPDX-License-Identifier: Apache-2.0
"""Detection of namespaces that killed runs have left."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.deploy.cleanup import Holder, is_left_over, started, this_process

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ME = this_process()
KILLED = Holder(ME.host, ME.boot, ME.process, "1")  # the same PID with another start time
ELSEWHERE = Holder("elsewhere", "its boot", 1, "1")


def namespace(age: float, **metadata: str) -> dict[str, Any]:
    """Return the namespace of a run that was created ``age`` seconds ago."""
    created = (NOW - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"metadata": {"name": "conformance-0", "creationTimestamp": created, **metadata}}


def lease(holder: Holder, idle: float) -> dict[str, Any]:
    """Return its Lease, renewed ``idle`` seconds ago."""
    renewed = (NOW - timedelta(seconds=idle)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"spec": {"holderIdentity": str(holder), "renewTime": renewed}}


@pytest.mark.parametrize(
    ("space", "held", "left_over"),
    [
        (namespace(5), lease(ME, 5), False),
        (namespace(900), lease(ME, 300), False),
        (namespace(5), lease(KILLED, 1), True),
        (namespace(900), lease(ELSEWHERE, 30), False),
        (namespace(900), lease(ELSEWHERE, 61), True),
        (namespace(5), None, False),
        (namespace(900), None, True),
        (namespace(900, deletionTimestamp="2026-11-23T12:00:00Z"), None, False),
    ],
    ids=[
        "this run", "this run, lease expired", "killed on this host", "running on another host",
        "expired on another host", "new without lease", "old without lease", "being deleted",
    ],
)  # fmt: skip
def test_only_killed_runs_are_left_over(
    space: dict[str, Any], held: dict[str, Any] | None, left_over: bool
) -> None:
    """The process on this host no longer exists, or the Lease has expired."""
    assert bool(is_left_over(space, held, NOW, ME)) is left_over


def test_process_is_identified_by_its_start_time() -> None:
    """A reused PID is another process."""
    assert started(os.getpid()) == ME.started != ""
    assert started(2**22 + 1) == ""
