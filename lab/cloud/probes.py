# SPDX-License-Identifier: Apache-2.0
"""Readiness probes: functions without arguments that tell whether something works."""

import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

PROBE_SECONDS = 5


def answers(url: str) -> Callable[[], bool]:
    """Return a probe for an HTTP server: any answer below 500, refusals included, is one."""

    def probe() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=PROBE_SECONDS):
                return True
        except urllib.error.HTTPError as refusal:
            return refusal.code < 500
        except OSError:
            return False

    return probe


def listens(host: str, port: int) -> Callable[[], bool]:
    """Return a probe for a TCP port that accepts connections."""

    def probe() -> bool:
        try:
            with socket.create_connection((host, port), timeout=PROBE_SECONDS):
                return True
        except OSError:
            return False

    return probe


def accepts(path: str) -> Callable[[], bool]:
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


def says(log: Path, words: str) -> Callable[[], bool]:
    """Return a probe for a daemon without a port: its log holds certain words."""

    def probe() -> bool:
        return log.exists() and words in log.read_text(errors="replace")

    return probe
