# SPDX-License-Identifier: Apache-2.0
"""Standard streams that are closed, full or broken, without tracebacks.

Python sets closed streams to None, prints to stdout what is meant for a closed stderr, and exits
with 120 if the last buffer of stdout cannot be written.
"""

import errno
import io
import os
import sys

from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem

_WRITE_ERRORS = frozenset({errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC})


class _Closed(io.TextIOBase):
    """Stream in place of a closed standard output: commands without a result do not need it."""

    used = False

    def write(self, _: str, /) -> int:
        """Fail, as a write to the closed stream would."""
        self.used = True
        raise OSError(errno.EBADF, "standard output is closed")

    def flush(self) -> None:
        """Fail if something was written."""
        if self.used:
            self.write("")


def prepare() -> None:
    """Replace closed streams."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = _nowhere()


def use_utf8() -> None:
    """Write standard output as UTF-8, whatever the locale, because it may become a file."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")


def output_problem(error: OSError) -> Problem | None:
    """Return the problem of a failed write to standard output, which is discarded then.

    None for other errors: those of files have a name, and are problems of the file already.
    """
    if error.filename is not None or error.errno not in _WRITE_ERRORS:
        return None
    discard_output()
    reason = (error.strerror or str(error)).lower()
    return Problem("stdout", None, reason, code=Code.FILE_NOT_WRITABLE)


def discard_output() -> None:
    """Discard what standard output has not written, so that Python's exit does not fail."""
    real = sys.__stdout__
    if real is not None and sys.stdout is real and not real.closed:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, real.fileno())
        os.close(nowhere)
    else:
        sys.stdout = _nowhere()


def discard_errors() -> None:
    """Discard all further messages, if standard error cannot be written."""
    sys.stderr = _nowhere()


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
