# SPDX-License-Identifier: Apache-2.0
"""Edge: reads and writes files. Files are written completely or not at all.

Errors of the operating system become problems, with the file as their place.
"""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound

TEMPORARY = ".*.new"
"""Pattern of the temporary files, which a killed run leaves."""
_HINTS = {
    errno.ENOENT: "check the path",
    errno.EISDIR: "use the path of a file in this directory",
    errno.EACCES: "check owner and mode",
    errno.EPERM: "check owner and mode",
    errno.ENOSPC: "free space on this file system",
    errno.EDQUOT: "free space, or raise the quota",
    errno.ELOOP: "remove the symbolic link, or use another path",
}
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
"""Errors of file systems without hard links."""


def read_file(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        ProblemsFound: the file cannot be read.
    """
    with reported(path, Code.FILE_NOT_READABLE):
        return path.read_bytes()


def make_folder(path: Path) -> None:
    """Create a folder and its parents, if they do not exist.

    Raises:
        ProblemsFound: the folder cannot be created.
    """
    with reported(path, Code.FILE_NOT_WRITABLE):
        path.mkdir(parents=True, exist_ok=True)


def write_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file atomically, also with concurrent writers.

    Links are followed, and special files (a pipe, /dev/null) are written directly. A replaced file
    keeps its owner if the user may set it.

    Raises:
        ProblemsFound: the file cannot be written.
    """
    with reported(path, Code.FILE_NOT_WRITABLE):
        before = _status(path)
        if before is not None and not path.is_file():
            path.write_text(text, "utf-8")
            return
        target = _target(path)
        with _temporary(target, text.encode(), mode) as new:
            if before is not None and (before.st_uid, before.st_gid) != (
                os.geteuid(),
                os.getegid(),
            ):
                try:
                    os.chown(new, before.st_uid, before.st_gid)
                except PermissionError:
                    pass  # only root may give files away
            new.replace(target)
            _sync(target.parent)


def create_file(path: Path, text: str, mode: int = 0o644) -> bool:
    """Create a file with its whole content; return False, and change nothing, if it exists.

    Of concurrent callers exactly one creates the file.

    Raises:
        ProblemsFound: the file cannot be created.
    """
    with reported(path, Code.FILE_NOT_WRITABLE), _temporary(path, text.encode(), mode) as new:
        try:
            _link(new, path)
        except FileExistsError:
            return False
        _sync(path.parent)
        return True


def check_output(path: Path, protected: Iterable[Path], allowed: Iterable[str] = ()) -> None:
    """Check that a command may write its output to a path.

    Args:
        path: the output file.
        protected: files that must not be overwritten, whatever the spelling of the path.
        allowed: if given, an existing file is only replaced if it is empty or contains one of these
            texts, by which earlier outputs are recognized.

    Raises:
        ProblemsFound: the path is one of the protected files, holds something else, or cannot be
            written.
    """
    for file in protected:
        if _same(path, file):
            message = f"the output would overwrite {file}, a file of the cluster"
            raise ProblemsFound([_refused(path, message, Code.OUTPUT_IS_INPUT)])
    with reported(path, Code.FILE_NOT_WRITABLE):
        status = _status(path)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if status is not None and not path.is_file():
            return  # a device or pipe, which must not be opened twice
        with _temporary(_target(path), b"", 0o600):
            pass
    signs = [text.encode() for text in allowed]
    if signs and status is not None and status.st_size:
        content = read_file(path)
        if not any(sign in content for sign in signs):
            message = "the file already exists, and is not an output of this command"
            raise ProblemsFound([_refused(path, message, Code.FILE_EXISTS)])


def check_new(path: Path) -> None:
    """Check that a path is not in use.

    Raises:
        ProblemsFound: the file exists.
    """
    if present(path):
        raise ProblemsFound([_refused(path, "the file already exists", Code.FILE_EXISTS)])


def write_new(path: Path, text: str) -> None:
    """Write a file that must not exist.

    Raises:
        ProblemsFound: the file exists, or cannot be written.
    """
    if not create_file(path, text):
        check_new(path)


def present(path: Path) -> bool:
    """Return whether a path exists, also as a symbolic link without a target."""
    return os.path.lexists(path)


@contextmanager
def reported(path: Path, code: Code) -> Iterator[None]:
    """Convert errors of the operating system to problems of a file."""
    try:
        yield
    except OSError as error:
        raise ProblemsFound([os_problem(str(path), error, code)]) from None


def os_problem(place: str, error: OSError, code: Code) -> Problem:
    """Return the problem of an error of the operating system."""
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    return Problem(place, None, reason, _HINTS.get(error.errno or 0, ""), code=code)


def _refused(path: Path, message: str, code: Code) -> Problem:
    return Problem(str(path), None, message, "choose another name", code=code)


def _status(path: Path) -> os.stat_result | None:
    """Return the status of a file, or None if it does not exist."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _target(path: Path) -> Path:
    """Return the file that symbolic links lead to."""
    return Path(os.path.realpath(path))


def _same(path: Path, other: Path) -> bool:
    """Return whether two paths are the same file, or would be once it is created."""
    if _target(path) == _target(other):
        return True
    try:
        return path.samefile(other)
    except OSError:
        return False


@contextmanager
def _temporary(target: Path, content: bytes, mode: int) -> Iterator[Path]:
    """Write a file next to the target and yield its path; remove it if it still exists."""
    new = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield new
    finally:
        new.unlink(missing_ok=True)


def _link(new: Path, path: Path) -> None:
    """Give a complete file its name; raise FileExistsError if the name is in use."""
    try:
        os.link(new, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A lock of the folder, which leaves no file, instead.
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            if present(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            new.rename(path)
        finally:
            os.close(folder)


def _sync(folder: Path) -> None:
    """Make a new name permanent."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # not supported by every file system
    finally:
        os.close(descriptor)
