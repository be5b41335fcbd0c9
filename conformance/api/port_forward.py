# SPDX-License-Identifier: Apache-2.0
"""Asks a pod over HTTP through the API's port-forward: one websocket, a time limit on every wait.

The protocol is that of `execute`, but for the channels: those of the n-th port are 2n for its data
and 2n + 1 for what went wrong; each begins with a frame that repeats the port's number.
"""

import time
from typing import Any

from conformance.api.execute import open_websocket
from conformance.outcome import InconclusiveError

DATA, ERROR = 0, 1
LIMIT = 65536  # bytes; more nobody wants to know


def fetch(
    configuration: Any, headers: dict[str, str], path: str, port: int, page: str, seconds: float
) -> str:
    """The body of what a pod answers at `http://POD:port/page`.

    Args:
        configuration: the Python client's, as made from a kubeconfig.
        headers: for authorization.
        path: of the pod's subresource `portforward`.
        port: of the pod.
        page: the path in its URL.
        seconds: how long the kubelet may take to answer, and then the pod.

    Raises:
        InconclusiveError: the way there failed, the pod said nothing, or the time was up.
    """
    socket = open_websocket(configuration, headers, path, [("ports", str(port))], seconds)
    try:
        request = f"GET {page} HTTP/1.0\r\nHost: pod\r\n\r\n".encode()
        socket.send_binary(bytes([DATA]) + request)
        answer = _listen(socket, time.monotonic() + seconds)
    finally:
        socket.close(timeout=1)
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.partition(b"\r\n")[0]:
        raise InconclusiveError(f"port-forward: no answer by HTTP but {answer[:80]!r}")
    return body.decode(errors="replace")


def _listen(socket: Any, deadline: float) -> bytes:
    """What came from the pod until it had said all, which HTTP/1.0 does by closing."""
    heard = {DATA: b"", ERROR: b""}
    opening = 2  # bytes of each channel that repeat the port
    while not _is_whole(heard[DATA][opening:]):
        left = deadline - time.monotonic()
        if left <= 0:
            raise InconclusiveError("port-forward: no answer in time")
        socket.settimeout(left)
        try:
            frame = socket.recv()
        except Exception as problem:  # noqa: BLE001  websocket, ssl and socket each have their own
            raise InconclusiveError(f"port-forward: {problem or type(problem).__name__}") from None
        if not frame:
            break
        data = frame.encode() if isinstance(frame, str) else frame
        if data[0] in heard:
            heard[data[0]] += data[1:]
        if len(heard[ERROR]) > opening:
            raise InconclusiveError(
                f"port-forward: {heard[ERROR][opening:].decode(errors='replace').strip()}"
            )
    return heard[DATA][opening:]


def _is_whole(answer: bytes) -> bool:
    """Are all bytes there that the answer's head promises?"""
    head, parted, body = answer.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    promised = int(lengths[0].partition(b":")[2]) if lengths else LIMIT
    return bool(parted) and len(body) >= promised
