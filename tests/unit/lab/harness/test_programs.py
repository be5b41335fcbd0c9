# SPDX-License-Identifier: Apache-2.0
"""poll.py measures outages."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from lab.harness import polling

PROGRAMS = polling.PROGRAM.parent
OUTAGE_SECONDS = 1.5


class Quiet(BaseHTTPRequestHandler):
    """An HTTP server that responds to every GET and writes no log."""

    def do_GET(self) -> None:
        """Respond with 200."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write no log."""


@contextmanager
def serving(port: int = 0) -> Iterator[int]:
    """Serve HTTP; yield the port."""
    server = HTTPServer(("127.0.0.1", port), Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def poller(port: int) -> subprocess.Popen[str]:
    """Start polling a port."""
    target = {"name": "it", "url": f"http://127.0.0.1:{port}/"}
    return subprocess.Popen(
        [sys.executable, str(PROGRAMS / "poll.py"), json.dumps([target])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_an_outage_is_measured() -> None:
    """The duration and the start of an outage are reported."""
    with serving() as port:
        process = poller(port)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    stopped = time.time()
    time.sleep(OUTAGE_SECONDS)
    with serving(port):
        time.sleep(1)
        answer, _ = process.communicate(timeout=30)
    seen = json.loads(answer)["it"]
    assert OUTAGE_SECONDS - 0.1 <= seen["outage"] <= OUTAGE_SECONDS + 1
    assert abs(seen["at"] - stopped) < 1
    assert seen["failures"] >= 3
    assert seen["requests"] > seen["failures"]
