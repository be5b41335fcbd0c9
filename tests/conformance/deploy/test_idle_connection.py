# SPDX-License-Identifier: Apache-2.0
"""A connection to the API that rests: asked once, its loss told."""

from pathlib import Path
from typing import Any

import pytest

from conformance.deploy import idle_connection
from conformance.facts.cluster_resources import IdleConnection
from conformance.outcome import Unavailable
from tests.conformance.api.fake_cluster import FakeCluster


class Pool:
    """A pool of connections whose second request ends as told."""

    def __init__(self, second: Exception | None) -> None:
        self.outcomes = [None, second]

    def request(self, *_: Any, **__: Any) -> None:
        """One request."""
        if outcome := self.outcomes.pop(0):
            raise outcome


@pytest.mark.parametrize(
    ("second", "problem"), [(None, ""), (TimeoutError("timed out"), "TimeoutError: timed out")]
)
def test_idle_connection_is_asked_once(
    tmp_path: Path, second: Exception | None, problem: str
) -> None:
    """It rests, is asked, and what came of it is there for every process."""
    cluster: Any = FakeCluster({})
    cluster.new_pool = lambda: Pool(second)
    idle_connection.IdleConnectionMonitor(cluster, tmp_path, 0.01).begin()
    told = idle_connection.result(tmp_path, 5.0)
    assert isinstance(told, IdleConnection)
    assert (told.problem, told.seconds < 5) == (problem, True)


def test_connection_that_never_opened_is_no_verdict(tmp_path: Path) -> None:
    """Then nothing is known about idle ones."""
    cluster: Any = FakeCluster({})
    pool = Pool(None)
    pool.outcomes = [OSError("no route")]
    cluster.new_pool = lambda: pool
    idle_connection.IdleConnectionMonitor(cluster, tmp_path, 0.01).begin()
    told = idle_connection.result(tmp_path, 5.0)
    assert isinstance(told, Unavailable)
    assert "no route" in told.unasked
