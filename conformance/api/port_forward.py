# SPDX-License-Identifier: Apache-2.0
"""Port-forward: an HTTP request to a pod over one websocket, with a timeout on every wait.

The protocol is that of ``execute`` with other channels: 2n carries the data of the n-th port and
2n + 1 its errors. Each channel begins with a frame that contains the port number.
"""

import time
from typing import Any

from conformance.api.execute import open_websocket
from conformance.outcome import InconclusiveError

DATA, ERROR = 0, 1
LIMIT = 65536  # bytes that are read without a Content-Length


def fetch(
    configuration: Any, headers: dict[str, str], path: str, port: int, page: str, seconds: float
) -> str:
    """Return the body of ``http://POD:port/page``.

    Args:
        configuration: of the Python client, loaded from a kubeconfig.
        headers: for authorization.
        path: of the pod's subresource ``portforward``.
        port: of the pod.
        page: path in the URL.
        seconds: timeout of the kubelet's response, and of the pod's.

    Raises:
        InconclusiveError: the API server, kubelet or websocket failed, or a timeout expired.
    """
    socket = open_websocket(configuration, headers, path, [("ports", str(port))], seconds)
    try:
        request = f"GET {page} HTTP/1.0\r\nHost: pod\r\n\r\n".encode()
        socket.send_binary(bytes([DATA]) + request)
        answer = _receive(socket, time.monotonic() + seconds)
    finally:
        socket.close(timeout=1)
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise InconclusiveError(f"port-forward: the pod did not respond with 200: {answer[:80]!r}")
    return body.decode(errors="replace")


def _receive(socket: Any, deadline: float) -> bytes:
    """Return the HTTP response of the pod; HTTP/1.0 ends it by closing the connection."""
    received = {DATA: b"", ERROR: b""}
    opening = 2  # bytes of the port number
    while not _is_complete(received[DATA][opening:]):
        left = deadline - time.monotonic()
        if left <= 0:
            raise InconclusiveError("port-forward: the pod did not respond in time")
        socket.settimeout(left)
        try:
            frame = socket.recv()
        except Exception as problem:  # noqa: BLE001  websocket, ssl and socket each have their own
            raise InconclusiveError(f"port-forward: {problem or type(problem).__name__}") from None
        if not frame:
            break
        data = frame.encode() if isinstance(frame, str) else frame
        if data[0] in received:
            received[data[0]] += data[1:]
        if len(received[ERROR]) > opening:
            raise InconclusiveError(
                f"port-forward: {received[ERROR][opening:].decode(errors='replace').strip()}"
            )
    return received[DATA][opening:]


def _is_complete(answer: bytes) -> bool:
    """Return whether the body has the length in the header."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].partition(b":")[2]) if lengths else LIMIT
    return bool(separator) and len(body) >= length
