# SPDX-License-Identifier: Apache-2.0
"""What is shown while a stack is made, changed or deleted.

On a terminal the layers of the cluster, each with how much is done and what goes on, redrawn in
place; elsewhere (pipes, CI) one line for each event.
"""

import shutil
import sys
import time
from collections.abc import Mapping
from typing import TextIO

from heatgen.cli.base import print_message
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud, CloudFailed
from heatgen.cloud.stack import Stack
from heatgen.hot.deployments import INFRASTRUCTURE
from heatgen.stack.progress import FAILED, IN_PROGRESS, Event, Progress, shown

_COME_BACK = """
Not watched any more; the cloud goes on with it. To
  see how far it is:      heatgen status {stack}
  watch it again:         heatgen status {stack} --wait
  end it:                 heatgen delete {stack}"""
_WORDS = {"COMPLETE": "done", FAILED: "FAILED", IN_PROGRESS: "..."}


class Lines:
    """One line for each event; of the ground only what is done, for it all begins at once."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._start = progress, time.monotonic()

    def __call__(self, event: Event | None) -> None:
        """Tell of an event."""
        item = self._progress.take(event) if event else None
        if event is None or item is None:
            return
        if item.layer == INFRASTRUCTURE and event.status == IN_PROGRESS:
            return
        seconds = time.monotonic() - self._start
        reason = f": {event.reason}" if event.status == FAILED else ""
        word = _WORDS.get(event.status, event.status)
        print(f"{seconds:5.0f} s  {item} {word}{reason}", file=sys.stderr, flush=True)


class Board:
    """The layers, redrawn in place; what fails stays above them."""

    def __init__(self, progress: Progress, out: TextIO) -> None:
        self._progress, self._out, self._start = progress, out, time.monotonic()
        self._drawn = 0

    def __call__(self, event: Event | None) -> None:
        """Take note of an event; draw when there are no more for now, or it is a failure."""
        item = self._progress.take(event) if event else None
        if event and item and event.status == FAILED:
            self._draw([f"{item} FAILED: {event.reason}"])
        elif event is None:
            self._draw([])

    def _draw(self, above: list[str]) -> None:
        width = shutil.get_terminal_size().columns - 1
        lines = [*above, f"{time.monotonic() - self._start:5.0f} s"]
        lines += [
            f"  {layer:<14}{done:>4}/{total:<4}  {shown(busy)}"
            for layer, done, total, busy in self._progress.layers()
        ]
        # Up to where the last drawing began, and clear from there.
        up = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
        self._out.write(up + "".join(f"{line[:width].rstrip()}\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines) - len(above)


def watch(progress: Progress) -> Lines | Board:
    """What suits standard error."""
    return Board(progress, sys.stderr) if sys.stderr.isatty() else Lines(progress)


def update(name: str, changes: Mapping[str, str], minutes: int, cloud: Cloud) -> None:
    """Change parameters of a stack and wait until it is done, shown.

    Raises:
        CloudFailed: no credentials, no answer, or an update that failed.
        TimeoutError: it is not done in time; it goes on in the cloud.
    """
    of, before = stack.update(name, changes, cloud)
    wait_and_show(of, stack.progress(of, cloud), minutes * 60, cloud, before)
    print_message(f"stack {of.name}: updated")


def wait_and_show(
    of: Stack, progress: Progress, limit: float, cloud: Cloud, after: str = ""
) -> None:
    """Wait for what goes on in a stack, shown; see :func:`heatgen.cloud.stack.follow`.

    What failed or takes too long is told with layer and node before the error is raised.
    """
    try:
        stack.follow(of, watch(progress), limit, cloud, after)
    except KeyboardInterrupt:
        print_message(_COME_BACK.format(stack=of.name))
        raise
    except (CloudFailed, TimeoutError):
        busy = progress.busy()
        if busy:
            print_message(f"not done: {shown(busy)}")
        for text in stack.failures(of, progress, cloud):
            print_message(text)
        raise
