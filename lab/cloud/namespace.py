# SPDX-License-Identifier: Apache-2.0
"""The namespace everything runs in: its own network, mounts and process ids.

From outside it is one process (`unshare`), known by its id and start time; killing it ends all
that ever ran inside, servers included. Inside, process 1 is `lab.cloud.pid1`.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

from lab.cloud import paths
from lab.cloud.problem import Problem

START_SECONDS = 20
END_SECONDS = 20


def start() -> None:
    """Make the namespace and wait until its process 1 has set it up."""
    paths.LOG.mkdir(parents=True, exist_ok=True)
    log = paths.LOG / "namespace.log"
    with log.open("wb") as output:
        outer = subprocess.Popen(
            ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]
            + ["--propagation", "private", "/usr/bin/python3", str(paths.LAUNCHER), "inside-init"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    paths.OUTER_PID.write_text(f"{outer.pid} {started(outer.pid)}")
    deadline = time.monotonic() + START_SECONDS
    while not paths.UP.exists():
        if outer.poll() is not None or time.monotonic() > deadline:
            end()
            raise Problem(f"the namespace did not come up:\n{log.read_text()}log: {log}")
        time.sleep(0.05)


def outer() -> int | None:
    """Return the id of the living `unshare` that holds the lab, None if there is none."""
    try:
        pid, since = paths.OUTER_PID.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if started(int(pid)) == since else None


def inner() -> int | None:
    """Return the id, seen from outside, of the namespace's process 1, None if there is none."""
    holder = outer()
    if holder is None:
        return None
    children = Path(f"/proc/{holder}/task/{holder}/children").read_text().split()
    return int(children[0]) if children else None


def entering(command: list[str], directory: str) -> list[str]:
    """Return the command line that runs a command inside, in a directory."""
    pid = inner()
    if pid is None:
        raise Problem("the lab is down: `lab/lab up` brings it up")
    return ["nsenter", "-t", str(pid), "-n", "-m", "-p", f"--wdns={directory}", "--", *command]


def end() -> bool:
    """Kill the namespace with all in it; return whether there was one."""
    pid = outer()
    if pid is None:
        paths.OUTER_PID.unlink(missing_ok=True)
        return False
    first = inner()
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + END_SECONDS
    # Process 1 is gone only when all others in the namespace are.
    while alive(pid) or (first is not None and alive(first)):
        if time.monotonic() > deadline:
            raise Problem(f"process {pid}, which holds the lab, does not die")
        time.sleep(0.05)
    paths.OUTER_PID.unlink(missing_ok=True)
    return True


def started(pid: int) -> str:
    """Return a process's start time in ticks since boot, '' if there is no such process.

    Source: proc(5), field 22 of /proc/PID/stat; with the id it names a process for ever.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
