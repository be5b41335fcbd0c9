# SPDX-License-Identifier: Apache-2.0
"""Tests of the progress of nodes that change in turn, with a server on localhost."""

import base64
import ipaddress
import json
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heatgen.kube import turn_progress
from heatgen.kube.client import Api
from heatgen.kube.errors import KubernetesFailed
from heatgen.yamlio.codes import Code
from tests.http_server import running
from tests.unit.heatgen.support import pki

PROGRESS = "21:05:12Z 3 of 10 nodes have had their turn; demo-worker-3 has its turn"


class Handler(BaseHTTPRequestHandler):
    """The API server: with the ConfigMap, if the server has a progress."""

    def do_GET(self) -> None:
        """Return the ConfigMap, or that it does not exist."""
        found = getattr(self.server, "progress", "") if self.path == turn_progress.PATH else ""
        body = json.dumps({"data": {"progress": found}} if found else {"kind": "Status"}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Discard the message."""


def identity() -> tuple[bytes, str]:
    """Return key and self-signed certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    template = pki.certificate(key.public_key(), "api", key)
    valid = x509.load_pem_x509_certificate(template.encode())
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(valid.not_valid_before_utc)
        .not_valid_after(valid.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return pki.pem(key), signed.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[tuple[ThreadingHTTPServer, dict[str, Any]]]:
    """Yield a server that requires a client certificate, and the kubeconfig of a client."""
    key, certificate = identity()
    pair = tmp_path / "pair.pem"
    pair.write_text(key.decode() + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pair)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with running(server, context) as port:
        cluster = {
            "server": f"https://127.0.0.1:{port}",
            "certificate-authority-data": base64.b64encode(certificate.encode()).decode(),
        }
        user = {
            "client-certificate-data": base64.b64encode(certificate.encode()).decode(),
            "client-key-data": base64.b64encode(key).decode(),
        }
        yield (
            server,
            {
                "clusters": [{"name": "demo", "cluster": cluster}],
                "users": [{"name": "admin", "user": user}],
                "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "admin"}}],
                "current-context": "demo",
            },
        )


def test_progress(api: tuple[ThreadingHTTPServer, dict[str, Any]]) -> None:
    """The text of the ConfigMap is returned; '' if it does not exist."""
    server, config = api
    assert turn_progress.read(Api(config)) == ""
    server.progress = PROGRESS  # type: ignore[attr-defined]
    assert turn_progress.read(Api(config)) == PROGRESS


def test_api_does_not_respond(api: tuple[ThreadingHTTPServer, dict[str, Any]]) -> None:
    """While an API server restarts, one attempt fails with the reason."""
    _, config = api
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    with pytest.raises(KubernetesFailed) as raised:
        turn_progress.read(Api(config))
    assert raised.value.code == Code.KUBERNETES_UNREACHABLE
