# SPDX-License-Identifier: Apache-2.0
"""Ask again and again, until standard input ends; then tell how long nobody answered.

Argument: a list of targets, each with `name`, `url`, and optionally `method`, `body`, `content`
(its type), `ca`, `cert`, `key` (paths, read again for every request, for they may be renewed).
`@TIME@` in a body is the time, that no two are alike. An answer is one of status 2xx. Every request
is a connection of its own, as a client's that has just come.

One line `ready` is printed once every target has answered; at the end one line of JSON: for each
target's name

    requests, failures: how many
    outage: the longest time between two neighbouring answers, in seconds
    at: when that began (seconds of the epoch)
    errors: how often each was seen
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
# A request's patience, at each of its steps: connect, handshake, answer.
TIMEOUT = 2.0
LAST_SECONDS = 8.0


class Target:
    """One address that is asked, and what came of it."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        """Take what is to be asked; nothing was so far."""
        self.wanted = wanted
        self.lock = threading.Lock()
        self.answers: list[float] = []
        self.errors: Counter[str] = Counter()
        self.requests = 0

    def ask(self) -> None:
        """Send one request and note what came of it."""
        try:
            self.request()
        except Exception as error:  # noqa: BLE001  whatever it is, it is no answer
            with self.lock:
                self.requests += 1
                self.errors[f"{type(error).__name__}: {error}"[:120]] += 1
            return
        with self.lock:
            self.requests += 1
            self.answers.append(time.time())

    def request(self) -> None:
        """Send one request; raise an exception unless it is answered as it should be."""
        wanted = self.wanted
        url = urllib.parse.urlsplit(wanted["url"])
        port = url.port or (443 if url.scheme == "https" else 80)
        host = str(url.hostname)
        connection: http.client.HTTPConnection
        if url.scheme == "https":
            context = ssl.create_default_context(cafile=wanted["ca"])
            if "cert" in wanted:
                context.load_cert_chain(wanted["cert"], wanted.get("key"))
            connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        try:
            headers = {"Content-Type": wanted["content"]} if "content" in wanted else {}
            body = wanted.get("body", "").replace("@TIME@", str(time.time()))
            connection.request(wanted.get("method", "GET"), url.path or "/", body or None, headers)
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        if answer.status // 100 != 2:
            raise OSError(f"status {answer.status}")

    def summary(self, began: float, ended: float) -> dict[str, Any]:
        """Return what came of it between two moments."""
        with self.lock:
            answers = sorted([began, *self.answers, ended])
            gaps = [(after - before, before) for before, after in itertools.pairwise(answers)]
            outage, at = max(gaps)
            failures = sum(self.errors.values())
            told = {"requests": self.requests, "failures": failures, "errors": dict(self.errors)}
            return {**told, "outage": round(outage, 2), "at": at}


def ask_until(target: Target, end: threading.Event) -> None:
    """Send a request at each interval, however long those before take."""
    due = time.monotonic()
    while not end.wait(max(0.0, due - time.monotonic())):
        threading.Thread(target=target.ask, daemon=True).start()
        due += INTERVAL


def main() -> None:
    """Poll all targets until standard input ends."""
    targets = [Target(wanted) for wanted in json.loads(sys.argv[1])]
    end = threading.Event()
    pollers = [threading.Thread(target=ask_until, args=(each, end)) for each in targets]
    for poller in pollers:
        poller.daemon = True
        poller.start()
    deadline = time.monotonic() + 30
    while not all(target.answers for target in targets) and time.monotonic() < deadline:
        time.sleep(0.05)
    silent = {each.wanted["name"]: dict(each.errors) for each in targets if not each.answers}
    if silent:
        sys.exit(f"no answer at all: {json.dumps(silent)}")
    began = max(target.answers[0] for target in targets)
    print("ready", flush=True)
    sys.stdin.read()
    ended = time.time()
    end.set()
    deadline = time.monotonic() + LAST_SECONDS
    while threading.active_count() > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    print(json.dumps({each.wanted["name"]: each.summary(began, ended) for each in targets}))


if __name__ == "__main__":
    main()
