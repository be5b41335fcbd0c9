# SPDX-License-Identifier: Apache-2.0
"""Run steps in the order of their dependencies, independent ones in parallel."""

import graphlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One action; `needs` contains the names of the steps that must be complete before.

    The text that the action returns is printed after its duration, such as `already done`.
    """

    name: str
    action: Callable[[], str | None]
    needs: tuple[str, ...] = ()


def print_progress(text: str) -> None:
    """Print one line of progress."""
    print(text, file=sys.stderr, flush=True)


def timed(name: str, action: Callable[[], str | None]) -> float:
    """Run an action; print its name, duration and returned text; return the seconds."""
    began = time.monotonic()
    note = action()
    seconds = time.monotonic() - began
    print_progress(f"  {name:<28} {seconds:6.1f} s" + (f"  {note}" if note else ""))
    return seconds


def run(steps: Iterable[Step]) -> dict[str, float]:
    """Run all steps, each as soon as those it needs are complete; return the seconds of each.

    Raises the first exception of a step immediately. Steps that are still running end with the
    process, because they run in daemon threads.
    """
    table = {step.name: step for step in steps}
    order = graphlib.TopologicalSorter({name: step.needs for name, step in table.items()})
    order.prepare()
    done: queue.SimpleQueue[tuple[str, float, BaseException | None]] = queue.SimpleQueue()

    def work(step: Step) -> None:
        try:
            done.put((step.name, timed(step.name, step.action), None))
        except BaseException as error:  # noqa: BLE001  raised again in the thread of the caller
            done.put((step.name, 0.0, error))

    seconds: dict[str, float] = {}
    while order.is_active():
        for name in order.get_ready():
            threading.Thread(target=work, args=(table[name],), daemon=True).start()
        name, took, error = done.get()
        if error is not None:
            raise error
        seconds[name] = took
        order.done(name)
    return seconds
