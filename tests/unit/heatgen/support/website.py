# SPDX-License-Identifier: Apache-2.0
"""A web server on loopback in the place of upstream, a mirror, a registry or a proxy."""

import hashlib
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from heatgen.blocks.catalog import Catalog
from heatgen.project import http, lock
from heatgen.spec.model import Spec

MANIFEST = b'{"schemaVersion": 2}'
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the machine's user is asked, and nobody waits before asking again."""
    monkeypatch.setattr(http, "PAUSES", (0, 0))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@dataclass
class Site:
    """What the server serves, how it misbehaves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    token: str = ""
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """Statuses to give first, by path."""
    broken: dict[str, int] = field(default_factory=dict)
    """How often a path's answers end in the middle."""
    dripping: dict[str, int] = field(default_factory=dict)
    """Paths that come byte by byte, with what was sent so far."""
    meeting: threading.Barrier | None = None
    """Where all questions wait for each other."""
    asked: list[str] = field(default_factory=list)

    def serve_all(self, spec: Spec, blocks: Catalog) -> None:
        """Be a mirror and registry with all that a cluster wants, as upstream lays it out."""
        for item in lock.pin_requests(spec, blocks):
            if item.image:
                repository, _, tag = item.name.partition("/")[2].rpartition(":")
                self.files[f"/v2/{repository}/manifests/{tag}"] = MANIFEST
                continue
            body = f"the bytes of {item.name}".encode()
            self.files[path_of(item.name)] = body
            if item.checksums:
                line = f"{hashlib.sha256(body).hexdigest()}  {item.file}\n".encode()
                sums = path_of(item.checksums)
                self.files[sums] = self.files.get(sums, b"") + line


def path_of(url: str) -> str:
    """Where a mirror has upstream's file."""
    return f"/{url.removeprefix('https://')}"


class _Server(ThreadingHTTPServer):
    """The server of a site."""

    def __init__(self, site: Site) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.site = site

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer, or misbehave as told."""
        site = self.server.site
        site.asked.append(self.path)
        if site.meeting is not None:
            site.meeting.wait(5)
        headers = site.headers.get(self.path, {})
        if site.statuses.get(self.path):
            self._reply(site.statuses[self.path].pop(0), b"", headers)
        elif self.path.startswith("/token?"):
            self._reply(200, b'{"token": "let-me-in"}', {})
        elif not self._known():
            challenge = f'Bearer realm="{site.url}/token",service="s",scope="pull"'
            self._reply(401, b"", {"WWW-Authenticate": challenge})
        elif self.path in site.files:
            self._reply(200, site.files[self.path], headers)
        else:
            self._reply(404, b"", {})

    def _known(self) -> bool:
        """Whether who asks the registry has its token, if it wants one."""
        token = self.server.site.token
        if not token or not self.path.startswith("/v2/"):
            return True
        return self.headers.get("Authorization") == f"Bearer {token}"

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        broken = self.server.site.broken
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if broken.get(self.path, 0) > 0:
            broken[self.path] -= 1
            body = body[: len(body) // 2]
            self.close_connection = True
        if self.path not in self.server.site.dripping:
            self.wfile.write(body)
            return
        for number in range(len(body)):
            self.wfile.write(body[number : number + 1])
            self.server.site.dripping[self.path] += 1
            time.sleep(0.01)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(site: Site, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """The site's server, as long as it is needed."""
    server = _Server(site)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site.url = f"{'https' if tls else 'http'}://localhost:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
