# SPDX-License-Identifier: Apache-2.0
"""Commands inside the namespace of the lab, as the regular user `demo`."""

import subprocess
from pathlib import Path

from lab.cloud import namespace
from lab.cloud.problem import Problem
from lab.cloud.shell import shell_environment

SECONDS = 1800


def command(words: list[str], directory: Path) -> list[str]:
    """Return the command line that runs a command inside the namespace, in a directory."""
    return namespace.nsenter(words, str(directory))


def environment() -> dict[str, str]:
    """Return the environment of the command."""
    return {**shell_environment("demo"), "PYTHONDONTWRITEBYTECODE": "1"}


def run(words: list[str], directory: Path) -> None:
    """Run a command without capturing its output; raise Problem if it fails."""
    result = subprocess.run(
        command(words, directory),
        stdin=subprocess.DEVNULL,
        env=environment(),
        timeout=SECONDS,
        check=False,
    )
    if result.returncode:
        raise Problem(f"{' '.join(words)}: exit status {result.returncode}", result.returncode)


def output(words: list[str], directory: Path) -> str | None:
    """Return the output of a command, or None if it fails."""
    result = subprocess.run(
        command(words, directory),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=SECONDS,
        check=False,
    )
    return result.stdout if result.returncode == 0 else None
