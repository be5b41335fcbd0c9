# SPDX-License-Identifier: Apache-2.0
"""The end of the time that a whole run may take, whatever hangs: a test that waits then is told.

Every wait of the suite has its own bound; this one is for all of them together, and for what nobody
thought of. An alarm ends the test at work, so its verdict is could-not-ask, and those after it end
before they begin: what was judged until then stands.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from conformance.outcome import InconclusiveError

LEAST = 0.01  # seconds; an alarm in none at all would be no alarm


@contextmanager
def before(moment: float, seconds: float) -> Iterator[None]:
    """The block, if it ends before a moment (seconds since the epoch).

    Raises:
        InconclusiveError: at that moment, or at once if it is over. `seconds` is what is told.
    """
    message = f"the run's deadline of {seconds:.0f} s has passed (--deadline)"
    left = moment - time.time()
    if left <= 0:
        raise InconclusiveError(message)
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise InconclusiveError(message)

    usual = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(left, LEAST))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)
