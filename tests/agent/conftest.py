# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of both agents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.simulation import KINDS, SHELL, Cloud, Kind, Node, booted
from tests.http_server import running


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Return each of the two agents; skip the one whose programs are not installed."""
    kind: Kind = request.param
    if reason := kind.skip_reason():
        pytest.skip(reason)
    return kind


@pytest.fixture
def shell() -> Kind:
    """Return the agent for systems without Python; skip if its programs are not installed."""
    if reason := SHELL.skip_reason():
        pytest.skip(reason)
    return SHELL


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Yield a simulated Keystone and Heat on a free port of localhost."""
    server = Cloud()
    with running(server):
        yield server


@pytest.fixture
def node(kind: Kind, tmp_path: Path, cloud: Cloud) -> Iterator[Node]:
    """Yield a booted server."""
    with booted(Node(kind, tmp_path, cloud)) as server:
        yield server
