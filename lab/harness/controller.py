# SPDX-License-Identifier: Apache-2.0
"""Commands on the controller and on nodes of the lab, and stacks for tests."""

import functools
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

CHECKOUT = Path(__file__).resolve().parents[2]
LAB = CHECKOUT / "lab" / "lab"
STATE = Path(os.environ.get("HEATGEN_LAB_STATE") or "/var/lib/heatgen-lab")
SECONDS = 1200

Word = str | Path
Found = TypeVar("Found")


def run(
    *words: Word, check: bool = True, directory: Path = CHECKOUT, text: bytes | None = None
) -> bytes:
    """Run a command with input `text`; return its output. With `check` it must succeed."""
    result = subprocess.run(
        [str(word) for word in words],
        input=text or b"",
        capture_output=True,
        cwd=directory,
        timeout=SECONDS,
        check=False,
    )
    if check and result.returncode:
        output = (result.stdout + result.stderr).decode(errors="replace")[-2000:]
        command = " ".join(map(str, words))[:500]
        raise AssertionError(f"{command}: exit status {result.returncode}\n{output}")
    return result.stdout


def inside(*words: Word, check: bool = True, directory: Path = CHECKOUT) -> bytes:
    """Run a command on the controller as the regular user `demo`."""
    return run(LAB, "shell", *words, check=check, directory=directory)


def as_admin(*words: Word) -> bytes:
    """Run a command on the controller as the administrator of the cloud."""
    return run(LAB, "shell", "--as", "admin", *words)


def node_command(node: str, script: str) -> list[str]:
    """Return the command line that runs a shell script on a node as root.

    sudo logs the script, so it must not contain secrets: pass them on standard input.
    """
    return [str(LAB), "shell", *ssh_command(node), f"sudo bash -c {quoted(script)}"]


@functools.cache
def ssh_command(node: str) -> tuple[str, ...]:
    """Return the ssh command for a node; cached, because it requires requests to the cloud."""
    return tuple(shlex.split(run(LAB, "ssh", "--show", node).decode()))


def on_node(node: str, script: str, check: bool = True, text: bytes | None = None) -> bytes:
    """Run a shell script with input `text` on a node as root; return its output."""
    return run(*node_command(node, script), check=check, text=text)


def quoted(text: str) -> str:
    """Quote text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def wait_for(what: str, seconds: float, find: Callable[[], Found], pause: float = 1.0) -> Found:
    """Call `find` until its result is true; return the result.

    `find` may raise AssertionError, or ValueError for an invalid response. The message after a
    timeout contains the last error or result.
    """
    deadline = time.monotonic() + seconds
    while True:
        last: object
        try:
            found = last = find()
            if found:
                return found
        except (AssertionError, ValueError) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: timed out after {seconds:g} s; last: {last}")
        time.sleep(pause)


@contextmanager
def periodically(act: Callable[[], None], every: float, patience: float) -> Iterator[None]:
    """Call a function every few seconds in a thread; at the end wait for the last call."""
    end = threading.Event()

    def repeat() -> None:
        while not end.wait(every):
            act()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(patience)


def heat_version() -> str:
    """Return the Heat of the running lab: `27` or `zed`."""
    return (STATE / "cloud" / "heat").read_text().strip()


def stack_status(name: str) -> str:
    """Return the status of a stack, `absent` if it does not exist."""
    words = ["openstack", "stack", "show", "-f", "value", "-c", "stack_status", name]
    return inside(*words, check=False).decode().strip() or "absent"


@contextmanager
def stack(name: str, template: Path) -> Iterator[str]:
    """Create a stack, which may fail; yield its status; delete it at the end."""
    delete(name)
    words = ["openstack", "stack", "create", "-t", str(template), "--timeout", "15", "--wait", name]
    try:
        inside(*words, check=False)
        yield stack_status(name)
    finally:
        delete(name)


def delete(name: str) -> None:
    """Delete a stack if it exists."""
    if stack_status(name) != "absent":
        inside("openstack", "stack", "delete", "--yes", "--wait", name)


def update(name: str, *options: str) -> float:
    """Update a stack with changed options, which must succeed; return the seconds."""
    began = time.monotonic()
    words = ["openstack", "stack", "update", "--existing", "--timeout", "15", "--wait"]
    inside(*words, *options, name, check=False)
    seconds = time.monotonic() - began
    status = stack_status(name)
    assert status == "UPDATE_COMPLETE", f"{status} after {seconds:.0f} s: {failures(name)}"
    return seconds


def failures(name: str) -> str:
    """Return the failures of a stack that Heat reports."""
    words = ["openstack", "stack", "failures", "list", "--long", name]
    return inside(*words).decode(errors="replace")


@contextmanager
def stopped(service: str) -> Iterator[None]:
    """Stop one service of the lab; start it at the end."""
    run(LAB, "service", "stop", service)
    try:
        yield
    finally:
        run(LAB, "service", "start", service)
