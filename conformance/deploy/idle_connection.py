# SPDX-License-Identifier: Apache-2.0
"""A connection to the API that nobody uses for a while: does it live, or was it dropped in silence?

A load balancer in front of the API may drop what is idle and tell nobody; watches and streams then
hang. The connection is opened when the run begins, rests while tests run, and is asked once.
"""

import dataclasses
import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.api.client import Cluster, WaitTimeout, poll_until
from conformance.facts.cluster_resources import IdleConnection
from conformance.facts.serialization import from_plain
from conformance.outcome import InconclusiveError, Unavailable

FILE = "idle.json"
ANSWER_SECONDS = 8.0
PATH = "/version"


@dataclass
class IdleConnectionMonitor:
    """One such connection, from `begin` until it was asked; what came of it is kept in `shared`."""

    cluster: Cluster
    shared: Path
    seconds: float
    _over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Open it, and let it rest in the background."""
        threading.Thread(target=self._watch, daemon=True).start()

    def end(self) -> None:
        """Nobody waits for it any more."""
        self._over.set()

    def _watch(self) -> None:
        pool = self.cluster.new_pool()
        found: IdleConnection | Unavailable
        try:
            _ask(pool, self.cluster.server)
        except Exception as problem:  # noqa: BLE001  urllib3, ssl and socket each have their own
            found = Unavailable(f"no connection to the API could be opened: {problem}")
        else:
            found = self._rested(pool)
        if not self._over.is_set():
            made = self.shared / f"{FILE}.new"
            made.write_text(json.dumps(dataclasses.asdict(found)))
            made.rename(self.shared / FILE)

    def _rested(self, pool: Any) -> IdleConnection:
        begun = time.monotonic()
        self._over.wait(self.seconds)
        seconds = round(time.monotonic() - begun, 1)
        try:
            _ask(pool, self.cluster.server)
        except Exception as problem:  # noqa: BLE001  urllib3, ssl and socket each have their own
            return IdleConnection(seconds, f"{type(problem).__name__}: {problem}"[:300])
        return IdleConnection(seconds, "")


def _ask(pool: Any, server: str) -> None:
    pool.request("GET", server + PATH, timeout=ANSWER_SECONDS, retries=False)


def result(shared: Path, patience: float) -> IdleConnection | Unavailable:
    """What came of it, once it is known.

    Raises:
        InconclusiveError: if that is not within `patience`.
    """
    try:
        poll_until((shared / FILE).exists, bool, patience)
    except WaitTimeout:
        raise InconclusiveError("nobody watched an idle connection to the end") from None
    return read(shared)


def read(shared: Path) -> IdleConnection | Unavailable:
    """What came of it, as far as it is known now."""
    file = shared / FILE
    if not file.exists():
        return Unavailable("the run ended before the idle connection was asked", permanent=True)
    found = from_plain(IdleConnection | Unavailable, json.loads(file.read_text()))
    assert isinstance(found, IdleConnection | Unavailable)
    return found
