# SPDX-License-Identifier: Apache-2.0
"""Exec: a command in a pod, over one websocket, with a timeout on every wait.

The Python client's ``stream()`` is not used: it modifies the API client that it is passed, which is
not thread-safe, and it connects without a timeout. Each frame of the protocol begins with a byte
that names its channel (Kubernetes, remotecommand, v4.channel.k8s.io).
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
# Recordings contain this text, and checks search for it: see ``support.causes``.
NO_KUBELET = "is TCP 10250 from the API server to the node closed?"


@dataclass(frozen=True)
class CommandResult:
    """Result of a command in a pod."""

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
    """Run the command and wait until it exits.

    Args:
        configuration: of the Python client, loaded from a kubeconfig.
        headers: for authorization.
        path: of the pod's subresource ``exec``.
        command: the program and its arguments.
        seconds: timeout of the command.
        opening: timeout of the kubelet's response; the API server would wait for 30 s.

    Raises:
        ConnectionLostError: the connection was lost before the command exited.
        InconclusiveError: the API server, kubelet or websocket failed, or a timeout expired.
    """
    query = [("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)]
    socket = open_websocket(configuration, headers, path, query, opening)
    try:
        received = _receive(socket, time.monotonic() + seconds)
    finally:
        socket.close(timeout=1)
    status = _status(json.loads(received[END] or "{}"))
    return CommandResult(
        status,
        received[STDOUT].decode(errors="replace"),
        received[STDERR].decode(errors="replace"),
    )


def open_websocket(
    configuration: Any,
    headers: dict[str, str],
    path: str,
    query: list[tuple[str, str]],
    seconds: float,
) -> Any:
    """Open a websocket to a subresource of a pod; return it after the kubelet has responded.

    Raises:
        InconclusiveError: the kubelet did not respond in time. Other errors are the library's.
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


def _receive(socket: Any, deadline: float) -> dict[int, bytes]:
    """Return the data of each channel until the websocket is closed."""
    sockets: Any = importlib.import_module("websocket")
    received = {STDOUT: b"", STDERR: b"", END: b""}
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise InconclusiveError("the command did not exit in time")
        socket.settimeout(left)
        try:
            frame = socket.recv()
        except sockets.WebSocketConnectionClosedException:
            return received
        except ConnectionError as problem:
            raise ConnectionLostError(f"the connection was lost: {problem}") from None
        if not frame:
            return received
        data = frame.encode() if isinstance(frame, str) else frame
        if data[0] in received:
            received[data[0]] += data[1:]


def _status(end: dict[str, Any]) -> int:
    """Return the exit status in the kubelet's last frame."""
    if end.get("status") == "Success":
        return 0
    for cause in end.get("details", {}).get("causes", []):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    if "message" in end:
        raise InconclusiveError(end["message"])
    raise ConnectionLostError("the connection was lost before the command exited")


def _tls(configuration: Any) -> dict[str, Any]:
    """Return the TLS options of the websocket."""
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
    """Return the proxy options of the websocket."""
    if not configuration.proxy:
        return {}
    proxy = urlsplit(configuration.proxy)
    return {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port, "proxy_type": "http"}
