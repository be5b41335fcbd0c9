# SPDX-License-Identifier: Apache-2.0
"""The lab as the tests see it: commands on the controller, on nodes, and stacks of their own."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LAB = CHECKOUT / "lab" / "lab"
STATE = Path(os.environ.get("HEATGEN_LAB_STATE") or "/var/lib/heatgen-lab")
DEMO = STATE / "demo"
SECONDS = 1200


def run(*words: str | Path, check: bool = True, directory: Path = CHECKOUT) -> bytes:
    """Run a command and return what it prints; with `check` it must succeed."""
    result = subprocess.run(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=directory,
        timeout=SECONDS,
        check=False,
    )
    if check and result.returncode:
        said = (result.stdout + result.stderr).decode(errors="replace")[-2000:]
        raise AssertionError(f"{' '.join(map(str, words))}: {result.returncode}\n{said}")
    return result.stdout


def inside(*words: str | Path, check: bool = True, directory: Path = CHECKOUT) -> bytes:
    """Run a command on the controller as the ordinary user `demo`."""
    return run(LAB, "shell", *words, check=check, directory=directory)


def on_node(node: str, script: str) -> bytes:
    """Run a shell script on a node as root; return what it prints."""
    return run(LAB, "ssh", node, f"sudo bash -c {quoted(script)}")


def quoted(text: str) -> str:
    """Return text as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def nodes() -> list[str]:
    """Return the names of the demo stack's nodes."""
    answer = inside("openstack", "stack", "output", "show", "-f", "json", "demo", "nodes")
    value = json.loads(answer)["output_value"]
    return sorted(json.loads(value) if isinstance(value, str) else value)


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
