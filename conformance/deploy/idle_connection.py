# SPDX-License-Identifier: Apache-2.0
"""Test of an idle connection to the API.

A load balancer in front of the API may drop idle connections without closing them; watches and
streams then hang. The connection is opened when the run begins, stays idle while checks run, and
is then used for one request.
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
    """Opens the connection, uses it after ``seconds``, and writes the result to ``shared``."""

    cluster: Cluster
    shared: Path
    """Directory that all processes of the session share."""
    seconds: float
    _over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Start the test in the background."""
        threading.Thread(target=self._run, daemon=True).start()

    def end(self) -> None:
        """Cancel the test."""
        self._over.set()

    def _run(self) -> None:
        pool = self.cluster.new_pool()
        found: IdleConnection | Unavailable
        try:
            _request(pool, self.cluster.server)
        except Exception as problem:  # noqa: BLE001  urllib3, ssl and socket each have their own
            found = Unavailable(f"cannot open a connection to the API: {problem}")
        else:
            found = self._request_after_idle(pool)
        if not self._over.is_set():
            complete = self.shared / f"{FILE}.new"
            complete.write_text(json.dumps(dataclasses.asdict(found)))
            complete.rename(self.shared / FILE)

    def _request_after_idle(self, pool: Any) -> IdleConnection:
        begun = time.monotonic()
        self._over.wait(self.seconds)
        seconds = round(time.monotonic() - begun, 1)
        try:
            _request(pool, self.cluster.server)
        except Exception as problem:  # noqa: BLE001  urllib3, ssl and socket each have their own
            return IdleConnection(seconds, f"{type(problem).__name__}: {problem}"[:300])
        return IdleConnection(seconds, "")


def _request(pool: Any, server: str) -> None:
    pool.request("GET", server + PATH, timeout=ANSWER_SECONDS, retries=False)


def result(shared: Path, patience: float) -> IdleConnection | Unavailable:
    """Wait for the result and return it.

    Raises:
        InconclusiveError: there is no result after ``patience`` seconds.
    """
    try:
        poll_until((shared / FILE).exists, bool, patience)
    except WaitTimeout:
        raise InconclusiveError("the controller did not finish the idle connection test") from None
    return read(shared)


def read(shared: Path) -> IdleConnection | Unavailable:
    """Return the result, or ``Unavailable`` before the test has ended."""
    file = shared / FILE
    if not file.exists():
        return Unavailable("the run ended before the idle connection was used", permanent=True)
    found = from_plain(IdleConnection | Unavailable, json.loads(file.read_text()))
    assert isinstance(found, IdleConnection | Unavailable)
    return found
