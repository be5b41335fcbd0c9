# SPDX-License-Identifier: Apache-2.0
"""Standard output whose failures are problems with a code: a full disk, or a closed descriptor."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound


class StandardOutput:
    """A text stream that raises ProblemsFound; a closed pipe is still a BrokenPipeError.

    Args:
        stream: the stream of the interpreter, None if its descriptor is closed.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text and return its length."""
        with self._converted_errors():
            if self._stream is None:
                raise OSError(None, "it is closed")
            return int(self._stream.write(text))

    def flush(self) -> None:
        """Write what is buffered."""
        with self._converted_errors():
            if self._stream is not None:
                self._stream.flush()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream is not None and bool(self._stream.isatty())

    def __getattr__(self, name: str) -> Any:
        """Return another attribute of the stream."""
        return getattr(self._stream, name)

    @contextmanager
    def _converted_errors(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._discard()
            raise
        except OSError as error:
            self._discard()
            reason = (error.strerror or str(error)).lower()
            problem = Problem("standard output", None, reason, code=Code.FILE_NOT_WRITABLE)
            raise ProblemsFound([problem]) from None

    def _discard(self) -> None:
        """Discard what is buffered, or the interpreter would fail again when it exits."""
        if self._stream is sys.__stdout__ and self._stream is not None:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)


@contextmanager
def guarded() -> Iterator[StandardOutput]:
    """Replace the standard output of the interpreter."""
    original = sys.stdout
    output = StandardOutput(original)
    sys.stdout = output
    try:
        yield output
    finally:
        sys.stdout = original
