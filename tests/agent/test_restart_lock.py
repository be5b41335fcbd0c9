# SPDX-License-Identifier: Apache-2.0
"""The lock that keeps a server from restarting while a script runs, and that delays scripts."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.agent.simulation import Cloud, Node, wait_until


@contextmanager
def lock_file(node: Node) -> Iterator[IO[str]]:
    """Open the lock file of an agent, which may not exist yet."""
    node.state.mkdir(exist_ok=True)
    with (node.state / "lock").open("a") as lock:
        yield lock


def free(node: Node) -> bool:
    """Return whether the server may restart."""
    with lock_file(node) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Return a named pipe; a script waits until it is written."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def test_lock_is_held_while_scripts_run(cloud: Cloud, node: Node, gate: Path) -> None:
    """Scripts share the lock; it is free after the last one, even if a child of a script lives."""
    cloud.deploy("quick", "#!/bin/sh\nsleep 30 >/dev/null 2>&1 </dev/null & echo $!")
    cloud.deploy("slow", f"#!/bin/sh\nread -r line <{gate}")
    child = int(cloud.signal_of("quick")["deploy_stdout"])
    try:
        node.runner("slow")
        wait_until(lambda: not free(node), "the lock is held")
        gate.write_text("end\n")
        cloud.signal_of("slow")
        wait_until(lambda: free(node), "the lock is free")
    finally:
        os.kill(child, signal.SIGKILL)


def test_lock_survives_restart_of_agent(cloud: Cloud, node: Node, gate: Path) -> None:
    """The agent does not hold the lock, but the process that runs the script does."""
    cloud.deploy("d", f"#!/bin/sh\nread -r line <{gate}")
    node.runner("d")
    wait_until(lambda: not free(node), "the lock is held")
    node.kill()
    assert not free(node)
    node.boot()
    gate.write_text("end\n")
    cloud.signal_of("d")


def test_script_waits_for_restart(cloud: Cloud, node: Node, tmp_path: Path) -> None:
    """No script starts while the server restarts; the time limit of a script does not count."""
    ran = tmp_path / "ran"
    with lock_file(node) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cloud.deploy("d", f"#!/bin/sh\ntouch {ran}", HEATGEN_TIMEOUT="1")
        runner = node.runner("d")
        wait_until(lambda: waits(runner), "the runner waits")
        assert not ran.exists()
    assert cloud.signal_of("d")["deploy_status_code"] == 0
    assert ran.exists()


def waits(runner: int) -> bool:
    """Return whether a process, or a child of it, waits for a lock."""
    children = Path(f"/proc/{runner}/task/{runner}/children").read_text().split()
    waiting = {
        line.split()[5] for line in Path("/proc/locks").read_text().splitlines() if "->" in line
    }
    return bool(waiting & {str(runner), *children})
