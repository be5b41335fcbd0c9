# SPDX-License-Identifier: Apache-2.0
"""Poll targets until standard input ends; then print the longest outage of each.

Argument: a list of targets, each with `name`, `url`, and optionally `method`, `body`, `content`
(content type), `ca`, `cert`, `key` (paths, read again for every request, because the files may be
renewed). `@TIME@` in a body is replaced by the time, so that all bodies differ. Only status 2xx is
a success. Every request uses a new connection, like a new client.

The line `ready` is printed when every target has responded; at the end one line of JSON, by name of
the target:

    requests, failures: numbers of requests
    outage: the longest time between two successive responses, in seconds
    at: the start of that outage (seconds since the epoch)
    errors: number of occurrences of each error
"""

import http.client
import itertools
import json
import ssl
import sys
import threading
import time
import urllib.parse
from collections import Counter
from typing import Any

INTERVAL = 0.2
# Time limit of each phase of a request: connect, handshake, response.
TIMEOUT = 2.0
LAST_SECONDS = 8.0


class Target:
    """A polled URL, and the results."""

    def __init__(self, options: dict[str, Any]) -> None:
        """Store the options of the target."""
        self.options = options
        self.lock = threading.Lock()
        self.responses: list[float] = []
        self.errors: Counter[str] = Counter()
        self.requests = 0

    def poll(self) -> None:
        """Send one request and record the result."""
        try:
            self.request()
        except Exception as error:  # noqa: BLE001  every exception is a failed request
            with self.lock:
                self.requests += 1
                self.errors[f"{type(error).__name__}: {error}"[:120]] += 1
            return
        with self.lock:
            self.requests += 1
            self.responses.append(time.time())

    def request(self) -> None:
        """Send one request; raise an exception unless the response is a success."""
        options = self.options
        url = urllib.parse.urlsplit(options["url"])
        port = url.port or (443 if url.scheme == "https" else 80)
        host = str(url.hostname)
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=options["ca"])
            if "cert" in options:
                context.load_cert_chain(options["cert"], options.get("key"))
            connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        try:
            headers = {"Content-Type": options["content"]} if "content" in options else {}
            body = options.get("body", "").replace("@TIME@", str(time.time()))
            method = options.get("method", "GET")
            connection.request(method, url.path or "/", body or None, headers)
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        if response.status // 100 != 2:
            raise OSError(f"status {response.status}")

    def summary(self, began: float, ended: float) -> dict[str, Any]:
        """Return the results between two times."""
        with self.lock:
            times = sorted([began, *self.responses, ended])
            gaps = [(after - before, before) for before, after in itertools.pairwise(times)]
            outage, at = max(gaps)
            failures = sum(self.errors.values())
            counts = {"requests": self.requests, "failures": failures, "errors": dict(self.errors)}
            return {**counts, "outage": round(outage, 2), "at": at}


def poll_until(target: Target, end: threading.Event) -> None:
    """Send a request at each interval, even if earlier ones are still running."""
    due = time.monotonic()
    while not end.wait(max(0.0, due - time.monotonic())):
        threading.Thread(target=target.poll, daemon=True).start()
        due += INTERVAL


def main() -> None:
    """Poll all targets until standard input ends."""
    targets = [Target(options) for options in json.loads(sys.argv[1])]
    end = threading.Event()
    pollers = [threading.Thread(target=poll_until, args=(each, end)) for each in targets]
    for poller in pollers:
        poller.daemon = True
        poller.start()
    deadline = time.monotonic() + 30
    while not all(target.responses for target in targets) and time.monotonic() < deadline:
        time.sleep(0.05)
    silent = {each.options["name"]: dict(each.errors) for each in targets if not each.responses}
    if silent:
        sys.exit(f"no response: {json.dumps(silent)}")
    began = max(target.responses[0] for target in targets)
    print("ready", flush=True)
    sys.stdin.read()
    ended = time.time()
    end.set()
    deadline = time.monotonic() + LAST_SECONDS
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    print(json.dumps({each.options["name"]: each.summary(began, ended) for each in targets}))


if __name__ == "__main__":
    main()
