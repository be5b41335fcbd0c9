# SPDX-License-Identifier: Apache-2.0
"""Tests of the site's settings on a node: proxy, certificate authorities and time servers."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from heatgen.plan import site
from tests.http_server import running

from .conftest import HOT, Result, Sandbox

STEP = HOT / "os" / "10-preflight.sh"
STORE = "/usr/local/share/ca-certificates"
URL = "http://upstream.invalid/tool"

# Services are not tested: calls of systemctl are only printed. As the real one, it knows only the
# units that exist.
PROLOGUE = r"""
mkdir -p /run/stub
cat >/run/stub/systemctl <<'END'
#!/bin/bash
case $1 in
    cat) [[ " $UNITS " == *" $2 "* ]] || exit 1 ;;
    try-restart)
        for unit in "${@:2}"; do
            [[ " $UNITS " == *" $unit "* ]] || { echo "Unit $unit not found." >&2; exit 5; }
        done
        ;;
esac
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
    with running(server):
        yield server


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


def system(name: str) -> str:
    """Return the functions of an operating system."""
    return (HOT / "blocks" / "os" / name / "system.sh").read_text()


def preflight(
    sandbox: Sandbox, proxy: ThreadingHTTPServer, before: str = "", **inputs: str
) -> Result:
    """Run the step with one artifact, then list the directory of trusted authorities.

    The shell code ``before`` runs first.
    """
    script = sandbox.folder / "preflight.sh"
    script.write_text(f"set -eu\n{before}{PROLOGUE}\n/bin/bash {STEP}\nls {STORE}\n")
    defaults = {
        "SYSTEM": system("debian"),
        "ARTIFACTS": f"http://127.0.0.1:{proxy.server_address[1]}/tool {'0' * 64}",
        "ARTIFACTS_REGISTRY": "",
        "APT_MIRROR": "",
        "SITE_PROXY": "",
        "CA_CERTIFICATES": "",
        "NTP_SERVERS": "",
        "PREFETCH": "x",
        "PREFETCH_UNIT": "x",
        "UNITS": "systemd-timesyncd.service",
    }
    return sandbox.run(script, **{**defaults, **inputs})


def test_other_processor(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:
    """A server with another processor is refused with the reason, before anything is changed."""
    other = "mkdir -p /run/stub\nprintf '%s\\n' '#!/bin/bash' 'echo aarch64' >/run/stub/uname\n"
    result = preflight(sandbox, proxy, before=other)
    assert "x86_64" in result.problem
    assert "aarch64" in result.problem
    assert not proxy.requested  # type: ignore[attr-defined]


def test_proxy_is_configured_and_removed(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:
    """Downloads and services use the proxy; all settings are removed with it."""
    lines = f"http_proxy=http://127.0.0.1:{proxy.server_address[1]}\nno_proxy=localhost"
    result = preflight(sandbox, proxy, SITE_PROXY=lines, ARTIFACTS=f"{URL} {'0' * 64}")
    assert result.status == 0, result.stderr
    assert proxy.requested == [URL]  # type: ignore[attr-defined]
    drop_in = sandbox.file("/etc/systemd/system/containerd.service.d/heatgen-proxy.conf")
    assert "/etc/heatgen/proxy.env" in drop_in.read_text()
    assert "try-restart" not in result.stdout  # on a new server, none of the services exists
    services = "containerd.service heatgen-prefetch.service"
    again = preflight(sandbox, proxy, SITE_PROXY=lines, UNITS=services)
    assert "try-restart" not in again.stdout
    without = preflight(sandbox, proxy, UNITS=services)
    assert without.status == 0, without.stderr
    for unit in services.split():
        assert f"systemctl try-restart {unit}\n" in without.stdout
    assert not drop_in.exists()
    assert not sandbox.file("/etc/heatgen/proxy.env").exists()


def test_each_authority_is_a_file(
    sandbox: Sandbox, proxy: ThreadingHTTPServer, authority: str
) -> None:
    """Each certificate is installed in its own file; the same ones again change nothing."""
    both = preflight(
        sandbox, proxy, CA_CERTIFICATES=(authority * 2).rstrip(), UNITS="docker.service"
    )
    assert both.status == 0, both.stderr
    assert both.stdout.endswith("heatgen-1.crt\nheatgen-2.crt\n")
    assert "systemctl try-restart docker.service\n" in both.stdout
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


class Upstream(BaseHTTPRequestHandler):
    """A server whose status and headers for each path are in the server's attribute ``replies``."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        """Respond as configured; with 404 to other paths."""
        status, headers = self.server.replies.get(self.path, (404, {}))  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    do_GET = do_CONNECT = do_HEAD  # noqa: N815  required by http.server

    def log_message(self, format: str, *args: object) -> None:
        """Discard the message."""


def certificate(folder: Path) -> Path:
    """Return a file with a key and a self-signed certificate of localhost."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-days", "1", "-keyout", folder / "server.key", "-out", folder / "server.crt"),
        ],
        check=True,
        capture_output=True,
    )
    both = folder / "server.pem"
    both.write_text((folder / "server.key").read_text() + (folder / "server.crt").read_text())
    return both


@contextmanager
def upstream(
    replies: dict[str, tuple[int, dict[str, str]]], tls: Path | None = None
) -> Iterator[str]:
    """Run a server; yield host and port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.replies = replies  # type: ignore[attr-defined]
    with running(server, tls) as port:
        yield f"localhost:{port}"


def closed_port() -> int:
    """Return a port of localhost at which no program listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def unreachable(sandbox: Sandbox, proxy: ThreadingHTTPServer, url: str, **inputs: str) -> str:
    """Run the step with one artifact that cannot be reached; return the reason."""
    result = preflight(sandbox, proxy, ARTIFACTS=f"{url} {'0' * 64}", **inputs)
    assert result.status == 1
    assert result.problem.startswith(f"cannot reach {url}: (")
    assert "exit status" not in result.problem
    assert "\n" not in result.problem
    return result.problem


def test_reason_name_not_resolved(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:
    """The reason of a name that cannot be resolved is curl's, with the keys to check."""
    problem = unreachable(sandbox, proxy, "http://mirror.invalid/tool")
    assert "(6) Could not resolve host: mirror.invalid" in problem
    assert "cloud.dns" in problem


def test_reason_connection_refused(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:
    """The reason of a refused connection is curl's."""
    port = closed_port()
    problem = unreachable(sandbox, proxy, f"http://127.0.0.1:{port}/tool")
    assert f"(7) Failed to connect to 127.0.0.1 port {port}" in problem


def test_reason_untrusted_certificate(
    sandbox: Sandbox, proxy: ThreadingHTTPServer, tmp_path: Path
) -> None:
    """The reason of an untrusted certificate is curl's first line, not its general advice."""
    with upstream({}, certificate(tmp_path)) as host:
        problem = unreachable(sandbox, proxy, f"https://{host}/tool")
    assert "(60) SSL certificate problem: self-signed certificate" in problem
    assert "site.ca_certificates" in problem


def test_reason_missing_in_mirror(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:
    """The reason of a file that a mirror lacks has the HTTP status."""
    with upstream({}) as host:
        problem = unreachable(sandbox, proxy, f"http://{host}/tool")
    assert "(22) The requested URL returned error: 404" in problem
    assert "artifacts.mirror" in problem


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("https_proxy=http://proxy.invalid:3128", "(5) Could not resolve proxy: proxy.invalid"),
        ("https_proxy=http://127.0.0.1:{closed}", "(7) Failed to connect to 127.0.0.1"),
    ],
    ids=["name", "refused"],
)
def test_reason_proxy(
    sandbox: Sandbox, proxy: ThreadingHTTPServer, lines: str, message: str
) -> None:
    """The reason of a proxy that does not work is curl's, with the address of the proxy."""
    lines = lines.format(closed=closed_port())
    problem = unreachable(sandbox, proxy, "https://upstream.invalid/tool", SITE_PROXY=lines)
    assert message in problem
    assert f"the proxy {lines.partition('=')[2]}" in problem


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(403, "site.no_proxy"), (407, "must not require a login"), (502, "must resolve and reach")],
)
def test_reason_refusal_of_proxy(
    sandbox: Sandbox, proxy: ThreadingHTTPServer, status: int, remedy: str
) -> None:
    """If a proxy refuses to connect, the reason has its status and names the proxy, not routes."""
    with upstream({"upstream.invalid:443": (status, {})}) as host:
        lines = f"https_proxy=http://{host}"
        problem = unreachable(sandbox, proxy, "https://upstream.invalid/tool", SITE_PROXY=lines)
    assert f"(status {status} of the proxy: check " in problem
    assert f"the proxy http://{host}, " in problem
    assert remedy in problem
    assert "security groups" not in problem


def test_reasons_are_counted(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:
    """Of several failures the first is reported, with their number."""
    lines = "\n".join(f"http://{name}.invalid/tool {'0' * 64}" for name in ("a", "b", "c"))
    problem = preflight(sandbox, proxy, ARTIFACTS=lines).problem
    assert problem.startswith("cannot reach http://a.invalid/tool: (6) ")
    assert "3 of 3 requests failed" in problem


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (200, {}, ""),
        (401, {"Www-Authenticate": 'Bearer realm="https://r.invalid/token",service="r"'}, ""),
        (401, {"WWW-Authenticate": 'Basic realm="registry"'}, "requires a login (status 401)"),
        (401, {}, "requires a login (status 401)"),
        (404, {}, "status 404 is not the response of a registry"),
        (403, {}, "status 403 is not the response of a registry"),
    ],
)
def test_response_of_registry(
    sandbox: Sandbox,
    proxy: ThreadingHTTPServer,
    status: int,
    headers: dict[str, str],
    reason: str,
) -> None:
    """A registry responds with success, or requires an anonymous token; nothing else is one."""
    with upstream({"/v2/": (status, headers)}) as host:
        result = preflight(sandbox, proxy, ARTIFACTS_REGISTRY=f"http://{host}")
    if not reason:
        assert result.status == 0, result.stderr
        assert "2 artifacts and registries can be reached" in result.stdout
    else:
        assert result.problem.startswith(f"cannot reach http://{host}/v2/: ")
        assert reason in result.problem


def test_time_servers(sandbox: Sandbox, proxy: ThreadingHTTPServer) -> None:
    """Time servers are configured for the image's time service."""
    result = preflight(sandbox, proxy, NTP_SERVERS="ntp.example,192.0.2.1")
    assert result.status == 0, result.stderr
    text = sandbox.file("/etc/systemd/timesyncd.conf.d/90-heatgen.conf").read_text()
    assert text == "[Time]\nNTP=ntp.example 192.0.2.1\n"
    assert "systemctl restart systemd-timesyncd.service" in result.stdout
    chrony = preflight(sandbox, proxy, NTP_SERVERS="a,b", UNITS="chrony.service")
    assert chrony.status == 0, chrony.stderr
    sources = sandbox.file("/etc/chrony/sources.d/heatgen.sources").read_text()
    assert sources == "server a iburst\nserver b iburst\n"


def test_generator_splits_certificates(authority: str) -> None:
    """The generator splits certificates into the same files for user data as the step does."""
    assert site.certificates(authority * 2) == [authority, authority]
