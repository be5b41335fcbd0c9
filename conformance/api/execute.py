# SPDX-License-Identifier: Apache-2.0
"""Runs a command in a pod: one websocket for each, and a time limit on every wait.

The Python client's `stream()` is not used: it changes the API client that it is given, which is
not safe between threads, and it opens its connection without any limit. The protocol is small: each
frame begins with a byte that names its channel (Kubernetes, remotecommand, v4.channel.k8s.io).
"""

import importlib
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from conformance.outcome import ConnectionLostError, InconclusiveError

PROTOCOL = "v4.channel.k8s.io"
STDOUT, STDERR, END = 1, 2, 3
NO_KUBELET = "is TCP 10250 from the API server to the node closed?"


@dataclass(frozen=True)
class CommandResult:
    """A command that ran in a pod to its end."""

    status: int
    stdout: str
    stderr: str


def execute(
    configuration: Any,
    headers: dict[str, str],
    path: str,
    command: list[str],
    seconds: float,
    opening: float,
) -> CommandResult:
    """Run the command and wait for its end.

    Args:
        configuration: the Python client's, as made from a kubeconfig.
        headers: for authorization.
        path: of the pod's subresource `exec`.
        command: the program and its arguments.
        seconds: how long the command may take.
        opening: how long the kubelet may take to answer; the API server alone would wait for 30 s.

    Raises:
        ConnectionLostError: the connection broke before the command's end.
        InconclusiveError: the way there failed (API, kubelet, websocket), or the time was up.
    """
    query = [("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)]
    socket = open_websocket(configuration, headers, path, query, opening)
    try:
        heard = _listen(socket, time.monotonic() + seconds)
    finally:
        socket.close(timeout=1)
    status = _status(json.loads(heard[END] or "{}"))
    return CommandResult(
        status, heard[STDOUT].decode(errors="replace"), heard[STDERR].decode(errors="replace")
    )


def open_websocket(
    configuration: Any,
    headers: dict[str, str],
    path: str,
    query: list[tuple[str, str]],
    seconds: float,
) -> Any:
    """A websocket to a pod's subresource, when the kubelet has answered.

    Raises:
        InconclusiveError: it did not in time; other ways to fail are the library's own.
    """
    url = f"{configuration.host.replace('http', 'ws', 1)}{path}?{urlencode(query)}"
    sockets: Any = importlib.import_module("websocket")
    try:
        return sockets.create_connection(
            url,
            timeout=seconds,
            subprotocols=[PROTOCOL],
            header=headers,
            sslopt=_tls(configuration),
            **_proxy(configuration),
        )
    except (TimeoutError, sockets.WebSocketTimeoutException):
        raise InconclusiveError(f"no answer in {seconds:.0f} s: {NO_KUBELET}") from None


def _listen(socket: Any, deadline: float) -> dict[int, bytes]:
    """What was said on each channel until the other side closed."""
    sockets: Any = importlib.import_module("websocket")
    heard = {STDOUT: b"", STDERR: b"", END: b""}
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise InconclusiveError("the command did not end in time")
        socket.settimeout(left)
        try:
            frame = socket.recv()
        except sockets.WebSocketConnectionClosedException:
            return heard
        except ConnectionError as problem:
            raise ConnectionLostError(f"the connection broke: {problem}") from None
        if not frame:
            return heard
        data = frame.encode() if isinstance(frame, str) else frame
        if data[0] in heard:
            heard[data[0]] += data[1:]


def _status(end: dict[str, Any]) -> int:
    """The exit status that the kubelet tells at the end."""
    if end.get("status") == "Success":
        return 0
    for cause in end.get("details", {}).get("causes", []):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    if "message" in end:
        raise InconclusiveError(end["message"])
    raise ConnectionLostError("the connection broke before the command's end")


def _tls(configuration: Any) -> dict[str, Any]:
    """What the websocket has to know of the kubeconfig's certificates."""
    ssl: Any = importlib.import_module("ssl")
    options = {
        "cert_reqs": ssl.CERT_REQUIRED if configuration.verify_ssl else ssl.CERT_NONE,
        "check_hostname": bool(configuration.verify_ssl),
        "ca_certs": configuration.ssl_ca_cert,
        "certfile": configuration.cert_file,
        "keyfile": configuration.key_file,
        "server_hostname": getattr(configuration, "tls_server_name", None),
    }
    return {key: value for key, value in options.items() if value is not None}


def _proxy(configuration: Any) -> dict[str, Any]:
    """The kubeconfig's proxy, if it names one."""
    if not configuration.proxy:
        return {}
    proxy = urlsplit(configuration.proxy)
    return {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port, "proxy_type": "http"}
