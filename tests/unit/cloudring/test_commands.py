# SPDX-License-Identifier: Apache-2.0
"""Commands of heatgen with time limits."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cloudring.commands import ActionFailed, Commands, end, reason


def commands(directory: Path) -> Commands:
    """Return commands in a directory."""
    return Commands(directory, os.environ, threading.Event())


def test_output_is_logged(tmp_path: Path) -> None:
    """The log has the command and its output."""
    found = commands(tmp_path)
    assert found.heatgen("block", "show", "os/debian", seconds=60) == 0
    text = found.log.read_text()
    assert text.startswith("$ heatgen block show os/debian\n")
    assert "Debian stock cloud image" in text


def test_failure_has_the_errors(tmp_path: Path) -> None:
    """The reason is the error of the command; without check, only the status is returned."""
    found = commands(tmp_path)
    with pytest.raises(ActionFailed, match=r"heatgen block: exit status 2: .*unknown-block"):
        found.heatgen("block", "show", "os/nothing", seconds=60)
    assert found.heatgen("block", "show", "os/nothing", seconds=60, check=False) == 2


def test_time_limit_and_interruption(tmp_path: Path) -> None:
    """A command is ended after its time limit, and when the run is interrupted."""
    found = commands(tmp_path)
    with pytest.raises(ActionFailed, match="no end after 0 s"):
        found.heatgen("block", "list", seconds=0)
    found.stop.set()
    with pytest.raises(ActionFailed, match="interrupted"):
        found.heatgen("block", "list", seconds=60)
    assert found.heatgen("block", "show", "os/debian", seconds=60, final=True) == 0


def test_end_of_a_process() -> None:
    """A process ends at SIGTERM, with its children."""
    words = [sys.executable, "-c", "import time; time.sleep(600)"]
    process = subprocess.Popen(words, start_new_session=True)
    began = time.monotonic()
    end(process)
    end(process)
    assert process.returncode == -15
    assert time.monotonic() - began < 30


def test_reason() -> None:
    """All errors in the output, else the last line, shortened."""
    assert reason("a\nerror[x]: b\nhint\nerror[y]: c\n", 1) == (
        "exit status 1: error[x]: b; error[y]: c"
    )
    assert reason("a\n\nlast\n", 3) == "exit status 3: last"
    assert reason("", 3) == "exit status 3: "
    assert len(reason("x" * 5000, 1)) == 300
