# SPDX-License-Identifier: Apache-2.0
"""Progress display of operations on a stack.

On a terminal it shows the layers of the cluster, each with its completed items and those in
progress, redrawn in place. Elsewhere (pipes, CI, TERM=dumb, NO_COLOR) it prints one line for each
event, without escape codes.
"""

import os
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from typing import TextIO

from heatgen.cli.base import print_message
from heatgen.cloud import stack
from heatgen.cloud.connection import Cloud
from heatgen.cloud.errors import CloudFailed
from heatgen.cloud.stack import Stack
from heatgen.hot import resolve
from heatgen.hot.deployments import INFRASTRUCTURE
from heatgen.stack.progress import FAILED, IN_PROGRESS, Event, Progress, shown
from heatgen.stack.update_preview import MAY_RUN, Change, StackState

_INTERRUPTED = """
Stopped watching; the operation continues in the cloud. Commands to
  show the progress:      heatgen status {stack}
  watch it again:         heatgen status {stack} --wait
  delete the stack:       heatgen delete {stack}"""
_LABELS = {"COMPLETE": "done", FAILED: "FAILED", IN_PROGRESS: "..."}


class Lines:
    """One line for each event; the start of infrastructure is omitted, as it all starts at once."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._start = progress, time.monotonic()

    def __call__(self, event: Event | None) -> None:
        """Print an event."""
        item = self._progress.record(event) if event else None
        if event is None or item is None:
            return
        if item.layer == INFRASTRUCTURE and event.status == IN_PROGRESS:
            return
        seconds = time.monotonic() - self._start
        reason = f": {event.reason}" if event.status == FAILED else ""
        label = _LABELS.get(event.status, event.status)
        print_message(f"{seconds:5.0f} s  {item} {label}{reason}")


class Board:
    """The layers, redrawn in place; failures remain visible above them."""

    def __init__(self, progress: Progress, out: TextIO) -> None:
        self._progress, self._out, self._start = progress, out, time.monotonic()
        self._drawn = 0

    def __call__(self, event: Event | None) -> None:
        """Record an event; draw on a failure, or when there are no more events for now."""
        item = self._progress.record(event) if event else None
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
        # Move to the start of the last drawing, and clear from there.
        up = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
        self._out.write(up + "".join(f"{line[:width].rstrip()}\n" for line in lines))
        self._out.flush()
        self._drawn = len(lines) - len(above)


def watch(progress: Progress) -> Lines | Board:
    """Return the display for standard error."""
    return Board(progress, sys.stderr) if _can_redraw() else Lines(progress)


def _can_redraw() -> bool:
    """Return whether standard error is a terminal that understands escape codes."""
    capable = os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    wanted = not os.environ.get("NO_COLOR")
    return sys.stderr is not None and sys.stderr.isatty() and capable and wanted


def update(name: str, changes: Mapping[str, str], minutes: int, cloud: Cloud) -> None:
    """Update parameters of a stack, and show the progress until the end.

    Raises:
        CloudFailed: no credentials, no response, or the update failed.
        TimeoutError: the update did not end in time; it continues in the cloud.
    """
    of, before = stack.update(name, changes, cloud)
    wait_and_show(of, stack.progress(of, cloud), minutes * 60, cloud, before)
    print_message(f"stack {of.name}: updated")


def expected_progress(
    of: Stack, after: StackState, changes: Iterable[Change], cloud: Cloud
) -> Progress:
    """Return the progress of an update, in which everything that changes has not yet begun.

    Args:
        of: the stack.
        after: its state after the update.
        changes: the changes of the update.
        cloud: the cloud.
    """
    progress = Progress(of.name, resolve.resources(after.template, after.values))
    stack.read_states(of, progress, cloud)
    for change in changes:
        if change.action != MAY_RUN:
            progress.expect(change.resource, change.nodes)
    return progress


def wait_and_show(
    of: Stack, progress: Progress, limit: float, cloud: Cloud, after: str = ""
) -> None:
    """Show the progress of an operation until its end; see :func:`heatgen.cloud.stack.follow`.

    On failures and timeouts, the affected layers and nodes are printed before the error is raised.
    """
    try:
        stack.follow(of, watch(progress), limit, cloud, after)
    except KeyboardInterrupt:
        print_message(_INTERRUPTED.format(stack=of.name))
        raise
    except (CloudFailed, TimeoutError):
        busy = progress.busy()
        if busy:
            print_message(f"in progress: {shown(busy)}")
        for text in stack.failures(of, progress, cloud):
            print_message(text)
        raise
