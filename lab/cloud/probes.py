# SPDX-License-Identifier: Apache-2.0
"""Readiness probes: functions without arguments that return whether a service is ready."""

import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

PROBE_SECONDS = 5


def http_responds(url: str) -> Callable[[], bool]:
    """Return a probe for an HTTP server: it is ready if it responds with a status below 500."""

    def probe() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=PROBE_SECONDS):
                return True
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            return False

    return probe


def port_accepts(host: str, port: int) -> Callable[[], bool]:
    """Return a probe for a TCP port that accepts connections."""

    def probe() -> bool:
        try:
            with socket.create_connection((host, port), timeout=PROBE_SECONDS):
                return True
        except OSError:
            return False

    return probe


def socket_accepts(path: str) -> Callable[[], bool]:
    """Return a probe for a Unix socket that accepts connections."""

    def probe() -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PROBE_SECONDS)
            try:
                client.connect(path)
            except OSError:
                return False
        return True

    return probe


def log_contains(log: Path, text: str) -> Callable[[], bool]:
    """Return a probe for a daemon without a port: its log contains a text."""

    def probe() -> bool:
        return log.exists() and text in log.read_text(errors="replace")

    return probe
