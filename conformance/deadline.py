# SPDX-License-Identifier: Apache-2.0
"""Time limit of the whole run.

Every wait of the suite has its own limit; this one covers their sum and anything unforeseen. An
alarm ends the running test as inconclusive, and later tests do not start. Results until then are
kept.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from conformance.outcome import InconclusiveError

LEAST = 0.01  # seconds; a timer of 0 would be disabled


@contextmanager
def enforce(moment: float, seconds: float) -> Iterator[None]:
    """Interrupt the block at ``moment`` (seconds since the epoch).

    Args:
        moment: the deadline.
        seconds: the value of ``--deadline``, for the message.

    Raises:
        InconclusiveError: at that moment, or at once if it is in the past.
    """
    message = f"the run's deadline of {seconds:.0f} s has passed (--deadline)"
    left = moment - time.time()
    if left <= 0:
        raise InconclusiveError(message)
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise InconclusiveError(message)

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, max(left, LEAST))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
