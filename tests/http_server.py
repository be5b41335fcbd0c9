# SPDX-License-Identifier: Apache-2.0
"""HTTP servers on loopback, each in a thread of the test."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from pathlib import Path

POLL = 0.01
"""Seconds after which a server notices that it has to stop."""


@contextmanager
def running(server: HTTPServer, tls: ssl.SSLContext | Path | None = None) -> Iterator[int]:
    """Run a server; yield its port.

    Args:
        server: bound to its address.
        tls: for TLS: a context, or a file with key and certificate.
    """
    if isinstance(tls, Path):
        pem, tls = tls, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pem)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(POLL,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
