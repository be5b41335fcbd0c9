# SPDX-License-Identifier: Apache-2.0
"""The measuring program measures: an outage that was made is seen, with its length."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from lab.harness import watch

PROGRAMS = watch.PROGRAM.parent
AWAY = 1.5


class Quiet(BaseHTTPRequestHandler):
    """Answers every GET, says nothing."""

    def do_GET(self) -> None:
        """Answer 200."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def serving(port: int = 0) -> Iterator[int]:
    """Serve HTTP meanwhile; yield the port."""
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
    """Start to poll a port."""
    target = {"name": "it", "url": f"http://127.0.0.1:{port}/"}
    return subprocess.Popen(
        [sys.executable, str(PROGRAMS / "poll.py"), json.dumps([target])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_an_outage_is_measured() -> None:
    """A server that was away for a while was away about that long, and began to be so then."""
    with serving() as port:
        process = poller(port)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    left = time.time()
    time.sleep(AWAY)
    with serving(port):
        time.sleep(1)
        answer, _ = process.communicate(timeout=30)
    seen = json.loads(answer)["it"]
    assert AWAY - 0.1 <= seen["outage"] <= AWAY + 1
    assert abs(seen["at"] - left) < 1
    assert seen["failures"] >= 3
    assert seen["requests"] > seen["failures"]
