# SPDX-License-Identifier: Apache-2.0
"""Tests of the site's settings on a node: proxy, certificate authorities and time servers."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from heatgen.plan import site

from .conftest import HOT, Result, Sandbox

STEP = HOT / "blocks" / "os" / "debian" / "10-preflight.sh"
STORE = "/usr/local/share/ca-certificates"
URL = "http://upstream.invalid/tool"

# Services are not tested: calls of systemctl are only printed.
PROLOGUE = r"""
mkdir -p /run/stub
cat >/run/stub/systemctl <<'END'
#!/bin/bash
[ -n "${HAS_CHRONY:-}" ] || [ "$*" != "cat chrony.service" ] || exit 1
echo "systemctl $*"
END
printf '%s\n' '#!/bin/bash' 'echo yes' >/run/stub/timedatectl
printf '%s\n' '#!/bin/bash' >/run/stub/update-ca-certificates
chmod +x /run/stub/*
export PATH=/run/stub:$PATH
mkdir -p /usr/local/share/ca-certificates
mount -t tmpfs store /usr/local/share/ca-certificates
"""


class Proxy(BaseHTTPRequestHandler):
    """A proxy that returns success for every URL."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        """Return success, and record the URL."""
        self.server.requested.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Discard the message."""


@pytest.fixture
def proxy() -> Iterator[ThreadingHTTPServer]:
    """Yield a proxy on localhost; its attribute ``requested`` has the requested URLs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.requested = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the certificate of an authority (PEM)."""
    folder = tmp_path_factory.mktemp("authority")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=site", "-days", "1"),
            *("-keyout", folder / "key", "-out", folder / "crt"),
        ],
        check=True,
        capture_output=True,
    )
    return (folder / "crt").read_text()


def preflight(sandbox: Sandbox, proxy: ThreadingHTTPServer, **inputs: str) -> Result:
    """Run the step with one artifact, then list the directory of trusted authorities."""
    script = sandbox.folder / "preflight.sh"
    script.write_text(f"set -eu\n{PROLOGUE}\n/bin/bash {STEP}\nls {STORE}\n")
    defaults = {
        "ARTIFACTS": f"http://127.0.0.1:{proxy.server_address[1]}/tool {'0' * 64}",
        "ARTIFACTS_REGISTRY": "",
        "SITE_PROXY": "",
        "CA_CERTIFICATES": "",
        "NTP_SERVERS": "",
        "PREFETCH": "x",
        "PREFETCH_UNIT": "x",
    }
    return sandbox.run(script, **{**defaults, **inputs})


def test_proxy_is_configured_and_removed(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:
    """Downloads and services use the proxy; all settings are removed with it."""
    lines = f"http_proxy=http://127.0.0.1:{proxy.server_address[1]}\nno_proxy=localhost"
    result = preflight(sandbox, proxy, SITE_PROXY=lines, ARTIFACTS=f"{URL} {'0' * 64}")
    assert result.status == 0, result.stderr
    assert proxy.requested == [URL]  # type: ignore[attr-defined]
    drop_in = sandbox.file("/etc/systemd/system/containerd.service.d/heatgen-proxy.conf")
    assert "/etc/heatgen/proxy.env" in drop_in.read_text()
    assert "systemctl try-restart containerd.service docker.service" in result.stdout
    again = preflight(sandbox, proxy, SITE_PROXY=lines)
    assert "try-restart" not in again.stdout
    without = preflight(sandbox, proxy)
    assert without.status == 0, without.stderr
    assert "try-restart" in without.stdout
    assert not drop_in.exists()
    assert not sandbox.file("/etc/heatgen/proxy.env").exists()


def test_each_authority_is_a_file(
    sandbox: Sandbox, proxy: ThreadingHTTPServer, authority: str
) -> None:
    """Each certificate is installed in its own file; the same ones again change nothing."""
    both = preflight(sandbox, proxy, CA_CERTIFICATES=(authority * 2).rstrip())
    assert both.status == 0, both.stderr
    assert both.stdout.endswith("heatgen-1.crt\nheatgen-2.crt\n")
    assert "try-restart" in both.stdout
    again = preflight(sandbox, proxy, CA_CERTIFICATES=(authority * 2).rstrip())
    assert "try-restart" not in again.stdout
    none = preflight(sandbox, proxy)
    assert none.status == 0, none.stderr
    assert "heatgen-1.crt" not in none.stdout


def test_invalid_certificate(sandbox: Sandbox, proxy: ThreadingHTTPServer, authority: str) -> None:
    """The reason for an invalid certificate has its number."""
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    result = preflight(sandbox, proxy, CA_CERTIFICATES=f"{authority}{broken}")
    assert result.problem.startswith("site.ca_certificates: entry 2 ")


def test_time_servers(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:
    """Time servers are configured for the image's time service."""
    result = preflight(sandbox, proxy, NTP_SERVERS="ntp.example,192.0.2.1")
    assert result.status == 0, result.stderr
    text = sandbox.file("/etc/systemd/timesyncd.conf.d/90-heatgen.conf").read_text()
    assert text == "[Time]\nNTP=ntp.example 192.0.2.1\n"
    assert "systemctl restart systemd-timesyncd.service" in result.stdout
    chrony = preflight(sandbox, proxy, NTP_SERVERS="a,b", HAS_CHRONY="yes")
    assert chrony.status == 0, chrony.stderr
    sources = sandbox.file("/etc/chrony/sources.d/heatgen.sources").read_text()
    assert sources == "server a iburst\nserver b iburst\n"


def test_generator_splits_certificates(authority: str) -> None:
    """The generator splits certificates into the same files for user data as the step does."""
    assert site.certificates(authority * 2) == [authority, authority]
