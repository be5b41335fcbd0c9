# SPDX-License-Identifier: Apache-2.0
"""Steps that depend on one another, run side by side as far as they do not."""

import graphlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One thing to do; `needs` names the steps that must be done before it.

    What the action returns is told beside its seconds, like `done already`.
    """

    name: str
    action: Callable[[], str | None]
    needs: tuple[str, ...] = ()


def say(text: str) -> None:
    """Print one line of progress."""
    print(text, file=sys.stderr, flush=True)


def timed(name: str, action: Callable[[], str | None]) -> float:
    """Do one thing, print its name, seconds and what it returned; return the seconds."""
    began = time.monotonic()
    note = action()
    seconds = time.monotonic() - began
    say(f"  {name:<28} {seconds:6.1f} s" + (f"  {note}" if note else ""))
    return seconds


def run(steps: Iterable[Step]) -> dict[str, float]:
    """Run all steps, each as soon as what it needs is done; return each one's seconds.

    Raises the first exception of a step at once. What runs beside it is left to end with the
    process: its threads are daemons.
    """
    table = {step.name: step for step in steps}
    order = graphlib.TopologicalSorter({name: step.needs for name, step in table.items()})
    order.prepare()
    done: queue.SimpleQueue[tuple[str, float, BaseException | None]] = queue.SimpleQueue()

    def work(step: Step) -> None:
        try:
            done.put((step.name, timed(step.name, step.action), None))
        except BaseException as error:  # noqa: BLE001  handed over to the caller's thread
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
