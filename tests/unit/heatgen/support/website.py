# SPDX-License-Identifier: Apache-2.0
"""A web server on loopback that acts as upstream, mirror, registry or proxy."""

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
from tests.http_server import running

MANIFEST = b'{"schemaVersion": 2}'
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()


def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the user's proxies, and retry without a pause."""
    monkeypatch.setattr(http, "PAUSES", (0, 0))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@dataclass
class Site:
    """The responses of the server, its faults, and the requests that it received."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    token: str = ""
    challenge: str = 'Bearer realm="{url}/token",service="s",scope="pull"'
    """WWW-Authenticate of a registry that requires the token."""
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """Statuses to send first, by path."""
    broken: dict[str, int] = field(default_factory=dict)
    """Number of truncated responses, by path."""
    dripping: dict[str, int] = field(default_factory=dict)
    """Paths whose responses are sent byte by byte, with the number of bytes sent so far."""
    meeting: threading.Barrier | None = None
    """A barrier at which all requests wait for each other."""
    requests: list[str] = field(default_factory=list)
    """Paths of the requests received."""

    def serve_all(self, spec: Spec, blocks: Catalog) -> None:
        """Serve every artifact and image of a cluster, as a mirror and a registry do."""
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
    """Return the path of upstream's file on a mirror."""
    return f"/{url.removeprefix('https://')}"


class _Server(ThreadingHTTPServer):
    """The server of a site."""

    def __init__(self, site: Site) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.site = site

    def handle_error(self, *_: object) -> None:
        """Do not print errors of clients that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Respond as the site is configured."""
        site = self.server.site
        site.requests.append(self.path)
        if site.meeting is not None:
            site.meeting.wait(5)
        headers = site.headers.get(self.path, {})
        if site.statuses.get(self.path):
            self._reply(site.statuses[self.path].pop(0), b"", headers)
        elif self.path.startswith("/token?"):
            self._reply(200, b'{"token": "let-me-in"}', {})
        elif not self._authorized():
            challenge = site.challenge.format(url=site.url)
            self._reply(401, b"", {"WWW-Authenticate": challenge})
        elif self.path in site.files:
            self._reply(200, site.files[self.path], headers)
        else:
            self._reply(404, b"", {})

    def _authorized(self) -> bool:
        """Return whether a request to the registry has the token, if one is required."""
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
        """Print nothing."""


@contextmanager
def serving(site: Site, tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Run the server of a site."""
    with running(_Server(site), tls) as port:
        site.url = f"{'https' if tls else 'http'}://localhost:{port}"
        yield site
