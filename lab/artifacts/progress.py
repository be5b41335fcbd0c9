# SPDX-License-Identifier: Apache-2.0
"""What the lab's build commands tell on stderr, and how they run other programs.

One line per step: what it does, then how long it took. Programs write to a log file; a failure
shows the log's last lines and its path.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

SECONDS_BETWEEN_SIGNS_OF_LIFE = 30.0
LINES_SHOWN_ON_FAILURE = 15


class BuildError(Exception):
    """A build step failed; the text says what is wrong and what to do."""


class BuildTimeoutError(BuildError):
    """A build step took longer than it may."""


def say(text: str) -> None:
    """Write one line to stderr at once."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce `what`, and its seconds once the block ends well."""
    started = time.monotonic()
    say(f"  … {what}")
    yield
    say(f"  ✓ {what}: {time.monotonic() - started:.1f} s")


def run(
    command: Sequence[str],
    log: Path,
    *,
    timeout: float,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run `command` with its output appended to `log`; show a sign of life now and then.

    The program dies with this one, whichever way this one ends: it has a process group of its
    own, which is ended on every exception, and the kernel ends it should this process be killed.

    Args:
        command: the program and its arguments.
        log: the file that gets the command line and all that the program prints.
        timeout: seconds the program may take.
        cwd: the folder it runs in.
        environment: the whole environment of the program; this process's own if None.

    Raises:
        BuildTimeoutError: it took longer than `timeout`.
        BuildError: it cannot be started or its exit status is not 0.
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
        _end_group(process)
        raise
    if status != 0:
        raise BuildError(f"{command[0]} failed with status {status}\n{_tail(log)}")


def _wait(process: subprocess.Popen[bytes], log: Path, name: str, timeout: float) -> int:
    """Wait for `process`, telling each half minute that it lives and what it does."""
    started = time.monotonic()
    while True:
        left = timeout - (time.monotonic() - started)
        if left <= 0:
            raise BuildTimeoutError(f"{name} took longer than {timeout:.0f} s\n{_tail(log)}")
        try:
            return process.wait(min(SECONDS_BETWEEN_SIGNS_OF_LIFE, left))
        except subprocess.TimeoutExpired:
            doing = _last_lines(log, 1)[-1]
            say(f"    {name}, {time.monotonic() - started:.0f} s: {doing[:100]}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the process and all it started: politely, then for good."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _last_lines(log: Path, count: int) -> list[str]:
    """The last `count` lines of `log` that hold anything."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        text = file.read().decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][-count:]


def _tail(log: Path) -> str:
    """The end of `log` and where to read on, for an error message."""
    lines = _last_lines(log, LINES_SHOWN_ON_FAILURE)
    return "\n".join([*(f"    | {line}" for line in lines), f"    the whole log: {log}"])
