# SPDX-License-Identifier: Apache-2.0
"""Running other programs: bounded, and telling when they fail."""

import time
from pathlib import Path

import pytest

from lab.artifacts.progress import BuildError, BuildTimeoutError, run


def test_a_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    """The message holds the exit status, the last lines and where the log lies."""
    log = tmp_path / "log"
    with pytest.raises(BuildError) as caught:
        run(["sh", "-c", "echo the reason; exit 7"], log, timeout=10)
    assert "status 7" in str(caught.value)
    assert "| the reason" in str(caught.value)
    assert str(log) in str(caught.value)


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    """At the time limit the program and its children end, and the error says so."""
    pid_file = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(BuildTimeoutError, match="longer than 1 s"):
        run(
            ["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"],
            tmp_path / "log",
            timeout=1,
        )
    assert time.monotonic() - started < 20
    state = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    # The signal is sent; on a busy machine the kernel may deliver it a moment later.
    while runs(state) and time.monotonic() - started < 20:
        time.sleep(0.05)
    assert not runs(state)


def runs(state: Path) -> bool:
    """Return whether a process runs, by its /proc/PID/stat; a zombie does not."""
    try:
        return ") Z " not in state.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
