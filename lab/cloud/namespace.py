# SPDX-License-Identifier: Apache-2.0
"""The namespace of the lab: separate network, mounts and process ids.

Outside, it is one process (`unshare`), identified by its id and start time. Killing it ends all
processes inside, including servers. Process 1 inside is `lab.cloud.pid1`.
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
    """Create the namespace and wait until its process 1 has set it up."""
    paths.LOG.mkdir(parents=True, exist_ok=True)
    log = paths.LOG / "namespace.log"
    with log.open("wb") as output:
        holder = subprocess.Popen(
            ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"]
            + ["--propagation", "private", "/usr/bin/python3", str(paths.LAUNCHER), "inside-init"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    paths.OUTER_PID.write_text(f"{holder.pid} {start_time(holder.pid)}")
    deadline = time.monotonic() + START_SECONDS
    while not paths.UP.exists():
        if holder.poll() is not None or time.monotonic() > deadline:
            kill()
            raise Problem(f"the namespace did not start:\n{log.read_text()}log: {log}")
        time.sleep(0.05)


def holder_pid() -> int | None:
    """Return the id of the running `unshare` that holds the namespace, or None."""
    try:
        pid, since = paths.OUTER_PID.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == since else None


def init_pid() -> int | None:
    """Return the id outside of process 1 of the namespace, or None."""
    holder = holder_pid()
    if holder is None:
        return None
    children = Path(f"/proc/{holder}/task/{holder}/children").read_text().split()
    return int(children[0]) if children else None


def nsenter(command: list[str], directory: str) -> list[str]:
    """Return the command line that runs a command inside the namespace, in a directory."""
    pid = init_pid()
    if pid is None:
        raise Problem("the lab is down: run `lab/lab up`")
    return ["nsenter", "-t", str(pid), "-n", "-m", "-p", f"--wdns={directory}", "--", *command]


def kill() -> bool:
    """Kill the namespace and all its processes; return whether it existed."""
    pid = holder_pid()
    if pid is None:
        paths.OUTER_PID.unlink(missing_ok=True)
        return False
    first = init_pid()
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + END_SECONDS
    # Process 1 ends after all others in the namespace.
    while is_running(pid) or (first is not None and is_running(first)):
        if time.monotonic() > deadline:
            raise Problem(f"cannot kill process {pid}, which holds the namespace of the lab")
        time.sleep(0.05)
    paths.OUTER_PID.unlink(missing_ok=True)
    return True


def start_time(pid: int) -> str:
    """Return the start time of a process in ticks since boot, '' if it does not exist.

    Source: proc(5), field 22 of /proc/PID/stat. Id and start time identify a process uniquely.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_running(pid: int) -> bool:
    """Return whether a process is running; a zombie is not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
