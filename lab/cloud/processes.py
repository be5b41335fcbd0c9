# SPDX-License-Identifier: Apache-2.0
"""Starting, watching and stopping one service, from inside the namespace."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.cloud import paths
from lab.cloud.namespace import alive, started
from lab.cloud.problem import Problem

STOP_SECONDS = 15
LAST_LINES = 15

# Debian's OpenStack belongs to Debian's Python: nothing of the caller's environment gets in.
ENVIRONMENT = {
    "PATH": f"{paths.HERE / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


@dataclass(frozen=True, kw_only=True)
class Service:
    """A daemon of the lab: how it is started and how one sees that it works."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    seconds: float = 90.0

    @property
    def log(self) -> Path:
        """The one file that all it says goes to."""
        return paths.LOG / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """Its process id and start time."""
        return paths.PIDS / self.name


def pid_of(service: Service) -> int | None:
    """Return the id of the service's living process, None if it has none."""
    try:
        pid, since = service.pid_file.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if started(int(pid)) == since and alive(int(pid)) else None


def start(service: Service) -> None:
    """Start a service unless it runs, and wait until it is ready."""
    if pid_of(service) is None:
        if service.log.exists():  # probes look for words of this start, not of the last
            service.log.replace(service.log.with_suffix(".log.before"))
        with service.log.open("wb") as log:
            process = subprocess.Popen(
                service.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**ENVIRONMENT, **service.environment},
                cwd="/",
                start_new_session=True,
            )
        service.pid_file.write_text(f"{process.pid} {started(process.pid)}")
    await_ready(service)


def await_ready(service: Service) -> None:
    """Wait until a service is ready; raise Problem with its last words if it ends or takes long."""
    deadline = time.monotonic() + service.seconds
    while not service.ready():
        if pid_of(service) is None:
            raise Problem(f"{service.name} ended at its start\n{last_words(service)}")
        if time.monotonic() > deadline:
            raise Problem(
                f"{service.name} was not ready in {service.seconds:.0f} s\n{last_words(service)}"
            )
        time.sleep(0.2)


def last_words(service: Service) -> str:
    """Return the end of a service's log and where the log is."""
    try:
        lines = service.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
    except FileNotFoundError:
        lines = []
    return "\n".join([*(f"  | {line}" for line in lines), f"log: {service.log}"])


def stop(service: Service) -> bool:
    """Stop a service with all its children; return whether it ran."""
    pid = pid_of(service)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    # Its session is its own: whoever is left of it was its child.
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    service.pid_file.unlink(missing_ok=True)
    return True
