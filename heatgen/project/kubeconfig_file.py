# SPDX-License-Identifier: Apache-2.0
"""Edge: adds a cluster to a kubeconfig on disk, under the lock that kubectl and kind use."""

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from heatgen.project.files import present, read_file, reported, write_file
from heatgen.stack.kubeconfig_merge import merge
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Failed, Problem, ProblemsFound

WAIT = 30.0
"""Seconds to wait for another program that is changing the file."""
POLL = 0.05
MODE = 0o600
"""The file contains a private key."""


def add(path: Path, text: str) -> bool:
    """Write a kubeconfig to a file; keep the other entries if the file exists.

    Args:
        path: the file; symbolic links are followed, pipes and devices are written directly.
        text: the kubeconfig, from :func:`heatgen.stack.kubeconfig.build`.

    Returns:
        Whether the file already had entries.

    Raises:
        Failed: another program keeps the file locked.
        ProblemsFound: the file is not a kubeconfig, cannot be read or cannot be written.
    """
    if path.exists() and not path.is_file():
        write_file(path, text, MODE)
        return False
    with _locked(path):
        before = _content(path)
        write_file(path, merge(str(path), before, text), MODE)
    return bool(before.strip())


def _content(path: Path) -> str:
    """Return the text of the file; '' if it does not exist."""
    if not path.exists():
        return ""
    try:
        return read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        message = "the existing file is not a kubeconfig: it is not UTF-8"
        hint = "write to another file, or move this one away"
        problem = Problem(str(path), None, message, hint, code=Code.NOT_A_KUBECONFIG)
        raise ProblemsFound([problem]) from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file's lock, which is a file with '.lock' added to its name.

    A lock that a killed heatgen left on this machine is removed.
    """
    # kubectl locks the name that it was given, which may be a symbolic link.
    names = sorted({os.path.abspath(path), os.path.realpath(path)})  # noqa: PTH100
    with ExitStack() as held:
        for name in names:
            lock = Path(f"{name}.lock")
            with reported(lock, Code.FILE_NOT_WRITABLE):
                held.enter_context(_lock(lock, path))
        yield


def _lock(lock: Path, path: Path) -> AbstractContextManager[object]:
    """Acquire a lock; return the context that releases it."""
    # Imported here to keep the start of commands fast.
    from filelock import SoftFileLock, Timeout

    end = time.monotonic() + WAIT
    while True:
        try:
            return SoftFileLock(lock).acquire(timeout=max(0, end - time.monotonic()))
        except Timeout:
            break
        except PermissionError:
            # kubectl's lock has mode 0: only root can read it.
            if not present(lock):
                raise
            if time.monotonic() > end:
                break
            time.sleep(POLL)
    message = f"another program is changing {path}"
    hint = f"run the command again; if no program uses it, remove {lock}"
    raise Failed([Problem(str(lock), None, message, hint, code=Code.FILE_LOCKED)])
