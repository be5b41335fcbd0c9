# SPDX-License-Identifier: Apache-2.0
"""An idle agent uses little CPU time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.agent.simulation import Cloud, Kind, Node, booted, certificate, trust, wait_until
from tests.http_server import running

POLLS = 3
INTERVAL = 5.0  # seconds
LIMIT = 0.015
"""CPU seconds per second: 1.5 % of a core."""


def cpu_seconds(process: int) -> float:
    """Return the CPU time of a process and of its children that have ended."""
    after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:15])) / os.sysconf("SC_CLK_TCK")


def usage(kind: Kind, folder: Path, cloud: Cloud) -> float:
    """Return the CPU time per second of an idle agent that polls every 5 s.

    CPU time, unlike elapsed time, does not depend on what else the machine does.
    """
    node = Node(kind, folder, cloud)
    for real, short in kind.shorter.items():
        node.change(short, real)
    node.change(*kind.idle)
    cloud.interval = int(INTERVAL)
    with booted(node):
        cloud.deploy("d", "#!/bin/sh\ntrue")
        cloud.signal_of("d")
        first = cloud.lists
        wait_until(lambda: cloud.lists > first)
        assert node.process is not None
        began, before_polls = cpu_seconds(node.process.pid), cloud.lists
        wait_until(lambda: cloud.lists >= before_polls + POLLS)
        used = cpu_seconds(node.process.pid) - began
        return used / ((cloud.lists - before_polls) * INTERVAL)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_cpu_time(kind: Kind, tmp_path: Path, tls: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle agent that polls every 5 s uses at most 1.5 % of a core."""
    pem = certificate(tmp_path, "localhost") if tls else None
    if tls:
        trust(monkeypatch, tmp_path / "crt")
    cloud = Cloud(pem)
    with running(cloud):
        share = usage(kind, tmp_path, cloud)
    print(f"{kind.name}: {share:.2%} of a core")
    assert share <= LIMIT
