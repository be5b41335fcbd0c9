# SPDX-License-Identifier: Apache-2.0
"""Exec: channels, exit statuses, and the third verdict when the way breaks."""

import json
from typing import Any

import pytest

from conformance.api import execute
from conformance.api.client import without_queries
from conformance.facts.model import Facts, NodeView
from conformance.facts.serialization import from_plain
from conformance.outcome import InconclusiveError
from conformance.support import causes
from tests.conformance import healthy

SUCCESS = {"status": "Success"}
EXIT_7 = {
    "status": "Failure",
    "message": "command terminated with non-zero exit code",
    "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
}


class Socket:
    """A websocket that says these frames and closes."""

    def __init__(self, *frames: bytes) -> None:
        self.frames = list(frames)

    def settimeout(self, seconds: float) -> None:
        """Take any limit."""
        assert seconds > 0

    def recv(self) -> bytes:
        """The next frame; b'' at the end."""
        return self.frames.pop(0) if self.frames else b""

    def close(self, timeout: float) -> None:
        """Close."""


class Configuration:
    """As much of the Python client's as exec needs."""

    host = "https://192.0.2.1:6443"
    verify_ssl = True
    ssl_ca_cert = cert_file = key_file = tls_server_name = proxy = None


def run(
    monkeypatch: pytest.MonkeyPatch, *frames: bytes, seconds: float = 9
) -> execute.CommandResult:
    """Run a command whose websocket says these frames."""
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
    """The last frame."""
    return b"\x03" + json.dumps(status).encode()


def test_channels_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of both streams are joined, each to its own."""
    frames = (b"\x01one ", b"\x02oh", b"\x01two", end(SUCCESS))
    assert run(monkeypatch, *frames) == execute.CommandResult(0, "one two", "oh")


def test_exit_status_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that fails has run: its status is an answer, not an error."""
    assert run(monkeypatch, end(EXIT_7)).status == 7


def test_broken_connection_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the connection ends before the command does, nothing is known, whatever was printed."""
    with pytest.raises(InconclusiveError, match="connection broke"):
        run(monkeypatch, b"\x01half an answ")


def test_kubelets_refusal_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the command could not be started, the kubelet's reason is told."""
    refusal = {"status": "Failure", "message": "container not found", "details": {"causes": []}}
    with pytest.raises(InconclusiveError, match="container not found"):
        run(monkeypatch, end(refusal))


def test_command_without_end_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limit holds also while the command goes on talking."""
    with pytest.raises(InconclusiveError, match="did not end in time"):
        run(monkeypatch, b"\x01still here", seconds=0)


def test_nodes_of_which_the_kubelet_was_silent_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what exec says of them in the facts: they are not waited for as long again."""

    def silent(url: str, **options: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr("websocket.create_connection", silent)
    with pytest.raises(InconclusiveError, match="no answer in 7 s") as told:
        execute.execute(Configuration(), {}, "/exec", ["true"], 9, 7)
    known = from_plain(Facts, healthy.facts())
    assert causes.deaf_nodes(known) == {}
    one, *_ = known.views
    known.views[one] = NodeView.unasked(str(told.value))
    assert causes.deaf_nodes(known) == {one: str(told.value)}


def test_message_leaves_out_the_command() -> None:
    """The API repeats the whole command in its errors' URLs; that is cut."""
    text = 'Post "https://192.0.2.1:10250/exec/ns/pod/main?command=sh&command=-c": no route to host'
    assert without_queries(text) == (
        'Post "https://192.0.2.1:10250/exec/ns/pod/main": no route to host'
    )
