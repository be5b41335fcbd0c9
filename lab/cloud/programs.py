# SPDX-License-Identifier: Apache-2.0
"""Running of other programs that print much and end by themselves."""

import subprocess
from collections.abc import Mapping, Sequence

from lab.cloud.problem import Problem

LINES_SHOWN_ON_FAILURE = 15


def run(
    command: Sequence[str],
    seconds: float,
    environment: Mapping[str, str] | None = None,
    *,
    check: bool = True,
) -> None:
    """Run a program without input.

    Args:
        command: the program and its arguments.
        seconds: time limit.
        environment: the complete environment of the program; None for the current environment.
        check: whether a failure is an error.

    Raises:
        Problem: the program timed out or, with `check`, failed; with its last lines.
    """
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Problem(f"{' '.join(command)} timed out after {seconds:.0f} s") from error
    if check and result.returncode:
        last = "\n".join(result.stdout.splitlines()[-LINES_SHOWN_ON_FAILURE:])
        raise Problem(f"{' '.join(command)} failed ({result.returncode}):\n{last}")
