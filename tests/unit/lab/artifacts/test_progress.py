# SPDX-License-Identifier: Apache-2.0
"""Running other programs: time limits and error messages."""

import time
from pathlib import Path

import pytest

from lab.artifacts.progress import BuildError, BuildTimeoutError, run


def test_an_error_shows_the_end_of_the_log(tmp_path: Path) -> None:
    """The message contains the exit status, the last lines and the path of the log."""
    log = tmp_path / "log"
    with pytest.raises(BuildError) as caught:
        run(["sh", "-c", "echo the reason; exit 7"], log, timeout=10)
    assert "status 7" in str(caught.value)
    assert "| the reason" in str(caught.value)
    assert str(log) in str(caught.value)


def test_a_program_is_killed_after_the_time_limit(tmp_path: Path) -> None:
    """After the time limit the program and its children are killed, and an error is raised."""
    pid_file = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(BuildTimeoutError):
        run(
            ["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"],
            tmp_path / "log",
            timeout=1,
        )
    assert time.monotonic() - started < 20
    state = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    # The signal has been sent; on a busy machine it may be delivered later.
    while is_running(state) and time.monotonic() - started < 20:
        time.sleep(0.05)
    assert not is_running(state)


def is_running(state: Path) -> bool:
    """Return whether a process is running, by its /proc/PID/stat; a zombie is not."""
    try:
        return ") Z " not in state.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
