# SPDX-License-Identifier: Apache-2.0
"""Tests of CFN_SIGNAL and TEMP_URL_SIGNAL: the agent sends the result to a signed URL."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.agent.simulation import TIMEOUT, Cloud, Kind, Node, booted
from tests.http_server import running

SECRET = "hush-signature"
CFN = (
    f"/v1/signal/arn%3Aopenstack%3Aheat%3A%3Ap%3Astacks/demo/1?AWSAccessKeyId=a&Signature={SECRET}"
)
TEMP_URL = f"/v1/AUTH_p/1/demo-d?temp_url_sig={SECRET}&temp_url_expires=2147483647"


class Receiver(ThreadingHTTPServer):
    """A simulated heat-api-cfn or Swift; it responds with one status after the other."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.statuses = [200]
        self.requests: list[tuple[str, str, Any]] = []

    def wait(self, count: int) -> tuple[str, str, Any]:
        """Wait for a number of requests; return the last one."""
        end = time.monotonic() + TIMEOUT
        while len(self.requests) < count:
            assert time.monotonic() < end, self.requests
            time.sleep(0.05)
        return self.requests[-1]


class Handler(BaseHTTPRequestHandler):
    """Handler of the requests that the agent sends."""

    server: Receiver

    def do_POST(self) -> None:
        """Record a request, and respond with the next status; the last one is repeated."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert "X-Auth-Token" not in self.headers
        statuses = self.server.statuses
        self.server.requests.append((self.command, self.path, body))
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_PUT = do_POST  # noqa: N815  the name that http.server calls

    def log_message(self, format: str, *args: Any) -> None:
        """Discard the message."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Yield a simulated receiver of results."""
    server = Receiver()
    with running(server):
        yield server


@pytest.fixture
def node(kind: Kind, tmp_path: Path, cloud: Cloud) -> Iterator[Node]:
    """Yield a booted server, whose agent retries quickly."""
    server = Node(kind, tmp_path, cloud)
    for before, after in kind.quick_retries.items():
        server.change(before, after)
    with booted(server):
        yield server


def deploy(cloud: Cloud, url: str, verb: str, script: str) -> None:
    """Add a deployment with a signed URL, as Heat does: without credentials of a user."""
    cloud.deploy("d", script, deploy_signal_id=url, deploy_signal_verb=verb, deploy_auth_url="")


@pytest.mark.parametrize(
    ("path", "verb"), [(CFN, "POST"), (TEMP_URL, "PUT")], ids=["cfn", "temp_url"]
)
def test_result_is_sent(cloud: Cloud, node: Node, receiver: Receiver, path: str, verb: str) -> None:
    """The result is sent to exactly the URL, with its verb; scripts and logs do not contain it."""
    script = '#!/bin/sh\nenv; tr "\\0" "\\n" </proc/$PPID/cmdline; printf 1 >$heat_outputs_path.n'
    deploy(cloud, receiver.url + path, verb, script)
    method, requested, result = receiver.wait(1)
    assert (method, requested) == (verb, path)
    assert (result["deploy_status_code"], result["n"]) == (0, "1")
    assert SECRET not in result["deploy_stdout"]
    node.reported("d: finished with exit status 0")
    assert SECRET not in node.journal.read_text() + node.console.read_text()
    assert not cloud.signals
    end = time.monotonic() + TIMEOUT
    while (node.state / "d@id-d" / "config.json").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    kept = [file for file in node.state.rglob("*") if file.is_file()]
    assert not [file for file in kept if SECRET in file.read_text(errors="replace")]


def test_failure_is_sent(cloud: Cloud, node: Node, receiver: Receiver) -> None:
    """A failed script is reported with its reason."""
    deploy(cloud, receiver.url + CFN, "POST", "#!/bin/sh\necho broken >&2; exit 3")
    result = receiver.wait(1)[2]
    assert result["deploy_status_code"] == 3
    assert "broken" in result["problem"]


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_temporary_failure_is_retried(
    cloud: Cloud, node: Node, receiver: Receiver, status: int
) -> None:
    """The result is sent again, also if the cloud could not verify the signature."""
    receiver.statuses = [status, status, 200]
    deploy(cloud, receiver.url + CFN, "POST", "#!/bin/sh\ntrue")
    receiver.wait(3)
    node.reported("d: finished with exit status 0")
    node.reported("can signal the result of d to Heat again")


@pytest.mark.parametrize("status", [401, 403])
def test_expired_url(cloud: Cloud, node: Node, receiver: Receiver, status: int) -> None:
    """The console shows why Heat never gets the result; the agent does not retry permanently."""
    receiver.statuses = [status]
    deploy(cloud, receiver.url + CFN, "POST", "#!/bin/sh\ntrue")
    assert "15 minutes for CFN_SIGNAL" in node.shown(f"HTTP Error {status}")
    assert SECRET not in node.shown("d: Heat rejected the signal")
    assert len(receiver.requests) == 6
    assert SECRET not in node.journal.read_text() + node.console.read_text()


@pytest.mark.parametrize(
    "url", [f"nonsense?Signature={SECRET}", f"http://127.0.0.1:1/a b?Signature={SECRET}"]
)
def test_invalid_url_is_not_shown(cloud: Cloud, node: Node, url: str) -> None:
    """The error about an invalid URL does not contain its signature."""
    deploy(cloud, url, "POST", "#!/bin/sh\ntrue")
    node.shown("invalid URL")
    assert SECRET not in node.journal.read_text() + node.console.read_text()
