# SPDX-License-Identifier: Apache-2.0
"""Progress of the build commands on stderr, and running of other programs.

Each step prints a line at its start and at its end, with the duration. Programs write to a log
file; an error shows the last lines and the path of the log.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HEARTBEAT_SECONDS = 30.0
LINES_SHOWN_ON_FAILURE = 15


class BuildError(Exception):
    """A build step failed; the text states the reason and the fix."""


class BuildTimeoutError(BuildError):
    """A build step timed out."""


def print_progress(text: str) -> None:
    """Write one line to stderr, unbuffered."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print `what`, and the duration when the block has succeeded."""
    started = time.monotonic()
    print_progress(f"  … {what}")
    yield
    print_progress(f"  ✓ {what}: {time.monotonic() - started:.1f} s")


def run(
    command: Sequence[str],
    log: Path,
    *,
    timeout: float,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run `command` with its output appended to `log`; print progress periodically.

    The program never outlives this process: it has a separate process group, which is killed on
    every exception, and the kernel kills the program if this process is killed.

    Args:
        command: the program and its arguments.
        log: file for the command line and the output of the program.
        timeout: time limit in seconds.
        cwd: working directory.
        environment: the complete environment of the program; None for the current environment.

    Raises:
        BuildTimeoutError: the program exceeded `timeout`.
        BuildError: the program cannot be started or its exit status is not 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        output.write(f"$ {' '.join(command)}\n".encode())
        output.flush()
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    try:
        status = _wait(process, log, command[0], timeout)
    except BaseException:
        _kill_group(process)
        raise
    if status != 0:
        raise BuildError(f"{command[0]} failed with status {status}\n{_tail(log)}")


def _wait(process: subprocess.Popen[bytes], log: Path, name: str, timeout: float) -> int:
    """Wait for `process`; print the last line of its log periodically."""
    started = time.monotonic()
    while True:
        left = timeout - (time.monotonic() - started)
        if left <= 0:
            raise BuildTimeoutError(f"{name} took longer than {timeout:.0f} s\n{_tail(log)}")
        try:
            return process.wait(min(HEARTBEAT_SECONDS, left))
        except subprocess.TimeoutExpired:
            doing = _last_lines(log, 1)[-1]
            print_progress(f"    {name}, {time.monotonic() - started:.0f} s: {doing[:100]}")


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Terminate the process group, then kill it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _last_lines(log: Path, count: int) -> list[str]:
    """Return the last `count` lines of `log` that are not empty."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        text = file.read().decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][-count:]


def _tail(log: Path) -> str:
    """Return the end of `log` and its path, for an error message."""
    lines = _last_lines(log, LINES_SHOWN_ON_FAILURE)
    return "\n".join([*(f"    | {line}" for line in lines), f"    log: {log}"])
