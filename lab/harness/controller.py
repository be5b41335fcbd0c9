# SPDX-License-Identifier: Apache-2.0
"""The lab as the tests see it: commands on the controller, on nodes, and stacks of their own."""

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
    """Run a command, `text` on its input; return what it prints. With `check` it must succeed."""
    result = subprocess.run(
        [str(word) for word in words],
        input=text or b"",
        capture_output=True,
        cwd=directory,
        timeout=SECONDS,
        check=False,
    )
    if check and result.returncode:
        said = (result.stdout + result.stderr).decode(errors="replace")[-2000:]
        raise AssertionError(f"{' '.join(map(str, words))[:500]}: {result.returncode}\n{said}")
    return result.stdout


def inside(*words: Word, check: bool = True, directory: Path = CHECKOUT) -> bytes:
    """Run a command on the controller as the ordinary user `demo`."""
    return run(LAB, "shell", *words, check=check, directory=directory)


def as_admin(*words: Word) -> bytes:
    """Run a command on the controller with the cloud's administrator's rights."""
    return run(LAB, "shell", "--as", "admin", *words)


def node_command(node: str, script: str) -> list[str]:
    """Return the command line that runs a shell script on a node as root.

    sudo logs the script, so nothing secret may stand in it: that goes by standard input.
    """
    return [str(LAB), "shell", *ssh_command(node), f"sudo bash -c {quoted(script)}"]


@functools.cache
def ssh_command(node: str) -> tuple[str, ...]:
    """Return the ssh command that leads to a node; asking the cloud for it each time takes long."""
    return tuple(shlex.split(run(LAB, "ssh", "--show", node).decode()))


def on_node(node: str, script: str, check: bool = True, text: bytes | None = None) -> bytes:
    """Run a shell script on a node as root, `text` on its input; return what it prints."""
    return run(*node_command(node, script), check=check, text=text)


def quoted(text: str) -> str:
    """Return text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def wait_for(what: str, seconds: float, find: Callable[[], Found], pause: float = 1.0) -> Found:
    """Return what is found as soon as it is true; fail with what was wrong last.

    Looking may fail with an AssertionError, or a ValueError for a broken answer; the last is told.
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
            raise AssertionError(f"{what}: not within {seconds:g} s; last: {last}")
        time.sleep(pause)


@contextmanager
def periodically(act: Callable[[], None], every: float, patience: float) -> Iterator[None]:
    """Act every few seconds while something else is done; in the end wait for the last time."""
    end = threading.Event()

    def go_on() -> None:
        while not end.wait(every):
            act()

    actor = threading.Thread(target=go_on, daemon=True)
    actor.start()
    try:
        yield
    finally:
        end.set()
        actor.join(patience)


def stack_status(name: str) -> str:
    """Return a stack's status, `absent` if there is none."""
    words = ["openstack", "stack", "show", "-f", "value", "-c", "stack_status", name]
    return inside(*words, check=False).decode().strip() or "absent"


@contextmanager
def stack(name: str, template: Path) -> Iterator[str]:
    """Create a stack, whatever comes of it; yield its status, remove it in the end."""
    remove(name)
    words = ["openstack", "stack", "create", "-t", str(template), "--timeout", "15", "--wait", name]
    try:
        inside(*words, check=False)
        yield stack_status(name)
    finally:
        remove(name)


def remove(name: str) -> None:
    """Remove a stack if there is one."""
    if stack_status(name) != "absent":
        inside("openstack", "stack", "delete", "--yes", "--wait", name)


def update(name: str, *options: str) -> float:
    """Update a stack as it is but for the options; it must succeed. Return the seconds."""
    began = time.monotonic()
    words = ["openstack", "stack", "update", "--existing", "--timeout", "15", "--wait"]
    inside(*words, *options, name, check=False)
    seconds = time.monotonic() - began
    status = stack_status(name)
    assert status == "UPDATE_COMPLETE", f"{status} after {seconds:.0f} s: {failures(name)}"
    return seconds


def failures(name: str) -> str:
    """Return what Heat says of a stack's failures."""
    words = ["openstack", "stack", "failures", "list", "--long", name]
    return inside(*words).decode(errors="replace")


@contextmanager
def stopped(service: str) -> Iterator[None]:
    """Stop one service of the lab meanwhile."""
    run(LAB, "service", "stop", service)
    try:
        yield
    finally:
        run(LAB, "service", "start", service)
