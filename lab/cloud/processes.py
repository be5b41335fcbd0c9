# SPDX-License-Identifier: Apache-2.0
"""Start, monitor and stop one service, from inside the namespace."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.cloud import paths
from lab.cloud.namespace import is_running, start_time
from lab.cloud.problem import Problem

STOP_SECONDS = 15
LAST_LINES = 15

# OpenStack runs on Python of Debian: do not inherit the environment of the caller.
ENVIRONMENT = {
    "PATH": f"{paths.HERE / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


@dataclass(frozen=True, kw_only=True)
class Service:
    """A daemon of the lab: its command and its readiness probe."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    seconds: float = 90.0

    @property
    def log(self) -> Path:
        """The file for its output."""
        return paths.LOG / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """The file with its process id and start time."""
        return paths.PIDS / self.name


def pid_of(service: Service) -> int | None:
    """Return the id of the running process of a service, or None."""
    try:
        pid, since = service.pid_file.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if start_time(int(pid)) == since and is_running(int(pid)) else None


def start(service: Service) -> None:
    """Start a service unless it is running, and wait until it is ready."""
    if pid_of(service) is None:
        if service.log.exists():  # probes must not match the log of the last start
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
        service.pid_file.write_text(f"{process.pid} {start_time(process.pid)}")
    wait_ready(service)


def wait_ready(service: Service) -> None:
    """Wait until a service is ready; raise Problem with the end of its log if it is not."""
    deadline = time.monotonic() + service.seconds
    while not service.ready():
        if pid_of(service) is None:
            raise Problem(f"{service.name} exited during its start\n{log_tail(service)}")
        if time.monotonic() > deadline:
            raise Problem(
                f"{service.name} was not ready after {service.seconds:.0f} s\n{log_tail(service)}"
            )
        time.sleep(0.2)


def log_tail(service: Service) -> str:
    """Return the end of the log of a service, and the path of the log."""
    try:
        lines = service.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
    except FileNotFoundError:
        lines = []
    return "\n".join([*(f"  | {line}" for line in lines), f"log: {service.log}"])


def stop(service: Service) -> bool:
    """Stop a service and all its children; return whether it was running."""
    pid = pid_of(service)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    # Each service has a separate session: what remains of it are its children.
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    service.pid_file.unlink(missing_ok=True)
    return True
