# SPDX-License-Identifier: Apache-2.0
"""The end of a build command: exit code, error message, links."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from lab.artifacts.progress import BuildError, BuildTimeoutError
from lab.artifacts.recipes import RecipeError

DONE, FAILED, INVALID, TIMED_OUT, INTERRUPTED = 0, 1, 2, 3, 130
EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage or recipe, 3 timed out, 130 interrupted. "
    "Progress is written to stderr, the created links to stdout."
)


def run_command(work: Callable[[], None]) -> int:
    """Run a build command; report errors as one message and an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    os.umask(0o022)  # other users read the results
    try:
        work()
    except RecipeError as problem:
        return _report(problem, INVALID)
    except BuildTimeoutError as problem:
        return _report(problem, TIMED_OUT)
    except (BuildError, OSError) as problem:
        return _report(problem, FAILED)
    except KeyboardInterrupt:
        return _report("interrupted: run the command again to continue", INTERRUPTED)
    return DONE


def link(link_path: Path, target: Path) -> None:
    """Create or replace a symbolic link atomically, and print it on stdout."""
    link_path.parent.mkdir(parents=True, exist_ok=True)
    fresh = link_path.with_name(f".{link_path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link_path)
    print(f"{link_path} -> {target}")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _report(problem: object, code: int) -> int:
    print(f"error: {problem}", file=sys.stderr, flush=True)
    return code
