# SPDX-License-Identifier: Apache-2.0
"""Exec: channels, exit statuses, lost connections."""

import json
from typing import Any

import pytest

from conformance.api import execute
from conformance.api.client import without_queries
from conformance.facts.model import Facts, NodeView
from conformance.facts.serialization import from_plain
from conformance.outcome import ConnectionLostError, InconclusiveError
from conformance.support import causes
from tests.conformance import healthy

SUCCESS = {"status": "Success"}
EXIT_7 = {
    "status": "Failure",
    "message": "command terminated with non-zero exit code",
    "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
}


class Socket:
    """A websocket that sends frames and closes."""

    def __init__(self, *frames: bytes) -> None:
        self.frames = list(frames)

    def settimeout(self, seconds: float) -> None:
        """Accept any timeout."""
        assert seconds > 0

    def recv(self) -> bytes:
        """Return the next frame; empty at the end."""
        return self.frames.pop(0) if self.frames else b""

    def close(self, timeout: float) -> None:
        """Close."""


class Configuration:
    """The part of the Python client's configuration that exec uses."""

    host = "https://192.0.2.1:6443"
    verify_ssl = True
    ssl_ca_cert = cert_file = key_file = tls_server_name = proxy = None


def run(
    monkeypatch: pytest.MonkeyPatch, *frames: bytes, seconds: float = 9
) -> execute.CommandResult:
    """Run a command whose websocket sends these frames."""
    opened: list[Any] = []

    def create(url: str, **options: Any) -> Socket:
        opened.append((url, options))
        return Socket(*frames)

    monkeypatch.setattr("websocket.create_connection", create)
    ran = execute.execute(Configuration(), {}, "/exec", ["echo", "a b"], seconds, 7)
    ((url, options),) = opened
    query = "stdout=true&stderr=true&command=echo&command=a+b"
    assert url == f"wss://192.0.2.1:6443/exec?{query}"
    assert options["timeout"] == 7
    return ran


def end(status: dict[str, Any]) -> bytes:
    """Return the last frame."""
    return b"\x03" + json.dumps(status).encode()


def test_channels_are_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of stdout and stderr are joined separately."""
    frames = (b"\x01one ", b"\x02oh", b"\x01two", end(SUCCESS))
    assert run(monkeypatch, *frames) == execute.CommandResult(0, "one two", "oh")


def test_exit_status_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that exits with an error is a result, not an exception."""
    assert run(monkeypatch, end(EXIT_7)).status == 7


def test_lost_connection_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output of a command without an exit status is discarded."""
    with pytest.raises(ConnectionLostError):
        run(monkeypatch, b"\x01half an answ")


def test_rejection_by_kubelet_is_inconclusive(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the command cannot be started, the message contains the kubelet's reason."""
    refusal = {"status": "Failure", "message": "container not found", "details": {"causes": []}}
    with pytest.raises(InconclusiveError, match="container not found"):
        run(monkeypatch, end(refusal))


def test_command_times_out_while_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timeout applies although frames arrive."""
    with pytest.raises(InconclusiveError, match="exit in time"):
        run(monkeypatch, b"\x01still here", seconds=0)


def test_unreachable_kubelet_is_recognized_in_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later checks find the message of exec in the facts, and use a shorter timeout."""

    def time_out(url: str, **options: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr("websocket.create_connection", time_out)
    with pytest.raises(InconclusiveError, match=execute.NO_KUBELET.replace("?", r"\?")) as caught:
        execute.execute(Configuration(), {}, "/exec", ["true"], 9, 7)
    known = from_plain(Facts, healthy.facts())
    assert causes.unreachable_kubelets(known) == {}
    one, *_ = known.views
    known.views[one] = NodeView.unavailable(str(caught.value))
    assert causes.unreachable_kubelets(known) == {one: str(caught.value)}


def test_message_does_not_contain_the_command() -> None:
    """The API's errors contain a URL with the whole command, which is cut."""
    text = 'Post "https://192.0.2.1:10250/exec/ns/pod/main?command=sh&command=-c": no route to host'
    assert without_queries(text) == (
        'Post "https://192.0.2.1:10250/exec/ns/pod/main": no route to host'
    )
