# SPDX-License-Identifier: Apache-2.0
"""The test of an idle connection to the API."""

from pathlib import Path
from typing import Any

import pytest

from conformance.deploy import idle_connection
from conformance.facts.cluster_resources import IdleConnection
from conformance.outcome import Unavailable
from tests.conformance.api.fake_cluster import FakeCluster


class Pool:
    """A connection pool whose second request may fail."""

    def __init__(self, second: Exception | None) -> None:
        self.outcomes = [None, second]

    def request(self, *_: Any, **__: Any) -> None:
        """Succeed or fail."""
        if outcome := self.outcomes.pop(0):
            raise outcome


@pytest.mark.parametrize(
    ("second", "problem"), [(None, ""), (TimeoutError("timed out"), "TimeoutError: timed out")]
)
def test_idle_connection_is_used_once(
    tmp_path: Path, second: Exception | None, problem: str
) -> None:
    """The result of the request after the idle time is available to all processes."""
    cluster: Any = FakeCluster({})
    cluster.new_pool = lambda: Pool(second)
    idle_connection.IdleConnectionMonitor(cluster, tmp_path, 0.01).begin()
    found = idle_connection.result(tmp_path, 5.0)
    assert isinstance(found, IdleConnection)
    assert (found.problem, found.seconds < 5) == (problem, True)


def test_failure_to_connect_is_inconclusive(tmp_path: Path) -> None:
    """If the connection cannot be opened, the result is unavailable."""
    cluster: Any = FakeCluster({})
    pool = Pool(None)
    pool.outcomes = [OSError("no route")]
    cluster.new_pool = lambda: pool
    idle_connection.IdleConnectionMonitor(cluster, tmp_path, 0.01).begin()
    found = idle_connection.result(tmp_path, 5.0)
    assert isinstance(found, Unavailable)
    assert "no route" in found.unasked
