# SPDX-License-Identifier: Apache-2.0
"""A cloud on loopback for the real client libraries: Keystone and Heat, with optional TLS."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.http_server import running
from tests.unit.heatgen.support.fake_heat import IDENTITY, STACK

HTML = "text/html; charset=UTF-8"
JSON = "application/json"


@dataclass
class Reply:
    """A response that replaces the normal one."""

    status: int
    body: bytes = b"{}"
    kind: str = JSON
    seconds: float = 0
    """Time until it is sent."""


@dataclass
class FakeCloud:
    """The endpoints of the cloud, its faults, and the requests that it received."""

    url: str = ""
    regions: dict[str, str] = field(default_factory=lambda: {"RegionOne": "public"})
    """Interface of Heat's endpoint by region."""
    faults: dict[str, Reply] = field(default_factory=dict)
    """Replies by method and start of the path, such as ``POST /heat``."""
    requests: list[str] = field(default_factory=list)

    def reply(self, method: str, path: str) -> tuple[Reply, dict[str, str]]:
        """Return the response to a request and additional headers."""
        self.requests.append(f"{method} {path}")
        for start, fault in self.faults.items():
            if f"{method} {path}".startswith(start):
                time.sleep(fault.seconds)
                return fault, {}
        if path == "/v3/auth/tokens":
            return Reply(201, json.dumps(self._token()).encode()), {"X-Subject-Token": "token"}
        if path.rstrip("/") in ("", "/v3"):
            return Reply(200, json.dumps(self._versions(path)).encode()), {}
        name, _, query = path.partition("?")
        if (method, name) == ("GET", f"/heat/v1/p/stacks/{STACK}"):
            # As the real Heat, which answers in HTML that the stack is at another URL.
            location = f"{self.url}{name}/{IDENTITY}?{query}".rstrip("?")
            return Reply(302, b"<html><head></head></html>", HTML), {"Location": location}
        return self._heat(method, path), {}

    def _versions(self, path: str) -> dict[str, Any]:
        links = [{"rel": "self", "href": f"{self.url}/v3/"}]
        version = {"id": "v3.14", "status": "stable", "links": links}
        return {"version": version} if path.rstrip("/") else {"versions": {"values": [version]}}

    def _token(self) -> dict[str, Any]:
        endpoints = [
            {
                "id": f"e-{region}",
                "interface": interface,
                "region": region,
                "region_id": region,
                "url": f"{self.url}/heat/v1/p",
            }
            for region, interface in self.regions.items()
        ]
        domain = {"id": "default", "name": "Default"}
        return {
            "token": {
                "methods": ["password"],
                "user": {"id": "u", "name": "u", "domain": domain},
                "project": {"id": "p", "name": "p", "domain": domain},
                "roles": [{"id": "r", "name": "member"}],
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "catalog": [
                    {"id": "s", "name": "heat", "type": "orchestration", "endpoints": endpoints}
                ],
            }
        }

    def _heat(self, method: str, path: str) -> Reply:
        if method == "GET" and path.startswith(f"/heat/v1/p/stacks/{STACK}"):
            what = path.partition("?")[0]
            if what.endswith("/template"):
                return Reply(200, b'{"resources": {}}')
            if what.endswith("/resources"):
                return Reply(200, b'{"resources": []}')
            stack = {
                "id": IDENTITY, "stack_name": STACK, "stack_status": "CREATE_COMPLETE",
                "stack_status_reason": "", "parameters": {}, "outputs": [],
            }  # fmt: skip
            return Reply(200, json.dumps({"stack": stack}).encode())
        return Reply(404, b'{"error": {"message": "The Stack could not be found."}}')


@contextmanager
def serving(cloud: FakeCloud, tls: Path | None = None, name: str = "localhost") -> Iterator[None]:
    """Run the cloud, with TLS if there is a file with key and certificate."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply, headers = cloud.reply(self.command, self.path)
            self.send_response(reply.status)
            lines = {"Content-Type": reply.kind, "Content-Length": str(len(reply.body))}
            for key, value in {**lines, **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_CONNECT = do_HEAD = _any  # noqa: N815  required by http.server

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Do not print errors of clients that disconnect."""

    with running(Server(("127.0.0.1", 0), Handler), tls) as port:
        cloud.url = f"{'https' if tls else 'http'}://{name}:{port}"
        yield


def isolated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a folder without clouds.yaml as home and working directory, and no proxies."""
    for name in list(os.environ):
        if name.startswith("OS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    # openstacksdk determines the paths when it is imported.
    for kind in ("clouds", "secure"):
        path = str(folder / f"{kind}.yaml")
        name = {"clouds": "CONFIG", "secure": "SECURE"}[kind]
        monkeypatch.setattr(f"openstack.config.loader.{name}_FILES", [path])


def write_clouds(url: str, **fields: Any) -> None:
    """Write clouds.yaml with one entry, ``lab``; an ``auth`` of None leaves out the password."""
    auth = {
        "auth_url": url, "username": "u", "password": "p", "project_name": "p",
        "user_domain_name": "Default", "project_domain_name": "Default",
    }  # fmt: skip
    Path("clouds.yaml").write_text(yaml.safe_dump({"clouds": {"lab": {"auth": auth, **fields}}}))


def self_signed(folder: Path, *, days: tuple[int, int] = (-1, 1)) -> Path:
    """Write key and certificate of localhost to a file, the certificate also to ``ca.pem``."""
    import datetime

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start, end = (
        datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=number) for number in days
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "ca.pem").write_bytes(certificate)
    both = folder / "server.pem"
    both.write_bytes(secret + certificate)
    return both
