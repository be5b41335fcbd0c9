# SPDX-License-Identifier: Apache-2.0
"""Causes and remedies of failures of the cloud, with the real client libraries and real servers."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from heatgen.cli.main import main
from heatgen.cloud import connection
from tests.unit.heatgen.support import fake_cloud
from tests.unit.heatgen.support.fake_cloud import HTML, FakeCloud, Reply
from tests.unit.heatgen.support.fake_heat import STACK

LOGIN = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
TRUST = "Using method 'application_credential' is not allowed for managing trusts. (HTTP 403)"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a home directory without clouds.yaml."""
    fake_cloud.isolated(tmp_path, monkeypatch)


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    """Yield a cloud that works."""
    found = FakeCloud()
    with fake_cloud.serving(found):
        fake_cloud.write_clouds(found.url)
        yield found


class Outcome:
    """Result of a command."""

    def __init__(self, status: int, text: str) -> None:
        self.status, self.text = status, text
        assert "Traceback" not in text
        assert "internal-error" not in text
        assert max(map(len, text.splitlines()), default=0) < 400


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> object:
    """Return a function that runs ``heatgen status`` with the entry ``lab``."""

    def status(*options: str) -> Outcome:
        code = main(["status", STACK, *(options or ("--os-cloud", "lab"))])
        return Outcome(code, capsys.readouterr().err)

    return status


def failed(
    run: object, code: str, *words: str, status: int = 1, options: tuple[str, ...] = ()
) -> None:
    """Run the command and check the code, the exit code and parts of message and hint."""
    assert callable(run)
    outcome = run(*options)
    assert f"error[{code}]: " in outcome.text, outcome.text
    assert outcome.status == status
    assert outcome.text.count("error[") == 1
    assert "hint: " in outcome.text
    for word in words:
        assert word in outcome.text, outcome.text


def closed_port() -> int:
    """Return a port of localhost at which no program listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def test_working_cloud(cloud: FakeCloud, run: object) -> None:
    """The command succeeds on the cloud of these tests."""
    assert callable(run)
    assert run().status == 0


@pytest.mark.parametrize("path", ["", "/v3"])
def test_connection_refused(run: object, path: str) -> None:
    """A closed port is one line with the address."""
    url = f"http://127.0.0.1:{closed_port()}"
    fake_cloud.write_clouds(url + path)
    failed(run, "connection-refused", url, "auth_url")


@pytest.mark.parametrize("path", ["", "/v3"])
def test_unknown_host(run: object, path: str) -> None:
    """A name that cannot be resolved is reported."""
    fake_cloud.write_clouds(f"https://keystone.invalid:5000{path}")
    failed(run, "host-not-resolved", "https://keystone.invalid:5000", "DNS")


@pytest.mark.parametrize("path", ["", "/v3"])
def test_untrusted_certificate(run: object, tmp_path: Path, path: str) -> None:
    """The remedy for an untrusted certificate is its authority, which works."""
    cloud = FakeCloud()
    with fake_cloud.serving(cloud, fake_cloud.self_signed(tmp_path)):
        fake_cloud.write_clouds(cloud.url + path)
        failed(run, "tls-failed", "self-signed certificate", "--os-cacert")
        assert callable(run)
        assert run("--os-cloud", "lab", "--os-cacert", str(tmp_path / "ca.pem")).status == 0
        assert run("--os-cloud", "lab", "--insecure").status == 0


def test_certificate_of_other_name(run: object, tmp_path: Path) -> None:
    """A certificate of another name has another remedy."""
    cloud = FakeCloud()
    with fake_cloud.serving(cloud, fake_cloud.self_signed(tmp_path), "127.0.0.1"):
        fake_cloud.write_clouds(cloud.url, cacert=str(tmp_path / "ca.pem"))
        failed(run, "tls-failed", "mismatch", "another name")


def test_expired_certificate(run: object, tmp_path: Path) -> None:
    """An expired certificate has another remedy."""
    cloud = FakeCloud()
    with fake_cloud.serving(cloud, fake_cloud.self_signed(tmp_path, days=(-9, -1))):
        fake_cloud.write_clouds(cloud.url, cacert=str(tmp_path / "ca.pem"))
        failed(run, "tls-failed", "expired", "clock")


def test_https_at_http_port(cloud: FakeCloud, run: object) -> None:
    """A port without TLS is reported."""
    fake_cloud.write_clouds(cloud.url.replace("http:", "https:"))
    failed(run, "tls-failed", "does not use TLS")


def test_missing_authorities(run: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of authorities that does not exist, or has no certificate, is named."""
    cloud = FakeCloud()
    with fake_cloud.serving(cloud, fake_cloud.self_signed(tmp_path)):
        fake_cloud.write_clouds(cloud.url, cacert="/nonexistent")
        failed(run, "invalid-tls-file", "/nonexistent", "cacert")
        fake_cloud.write_clouds(cloud.url)
        options = ("--os-cloud", "lab", "--os-cacert", "/nonexistent")
        failed(run, "invalid-tls-file", "/nonexistent", options=options)
        (tmp_path / "empty.pem").write_text("none\n")
        options = ("--os-cloud", "lab", "--os-cacert", str(tmp_path / "empty.pem"))
        failed(run, "invalid-tls-file", "PEM", options=options)
        fake_cloud.write_clouds(cloud.url, cacert=str(tmp_path / "ca.pem"), cert="/nonexistent")
        failed(run, "invalid-tls-file", "/nonexistent", "cert and key")
        fake_cloud.write_clouds(cloud.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
        failed(run, "invalid-tls-file", "/nonexistent", "REQUESTS_CA_BUNDLE")


def test_proxy(cloud: FakeCloud, run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is down, or refuses the connection, is reported as such."""
    fake_cloud.write_clouds("https://keystone.example:5000/v3")
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{closed_port()}")
    failed(run, "proxy-failed", "keystone.example", "https_proxy")
    cloud.faults["CONNECT"] = Reply(403)
    monkeypatch.setenv("https_proxy", cloud.url)
    failed(run, "proxy-failed", "403", "https_proxy")


@pytest.mark.parametrize("start", ["GET /", "POST /v3/auth", "GET /heat"])
def test_timeout(
    cloud: FakeCloud, run: object, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    """The exit code of a request that times out is 3, of Keystone and of Heat."""
    monkeypatch.setattr(connection, "TIMEOUT", 0.3)
    cloud.faults[start] = Reply(200, seconds=1)
    failed(run, "timed-out", cloud.url, status=3)


@pytest.mark.parametrize("status", [408, 504])
def test_gateway_timeout(cloud: FakeCloud, run: object, status: int) -> None:
    """A timeout that the cloud reports has the same exit code."""
    cloud.faults["GET /heat"] = Reply(status, LOGIN, HTML)
    failed(run, "timed-out", str(status), status=3)


@pytest.mark.parametrize("start", ["GET /", "POST /v3/auth"])
def test_rejected_credentials(cloud: FakeCloud, run: object, start: str) -> None:
    """The hint for rejected credentials names them, not clouds.yaml as a whole."""
    cloud.faults["POST /v3/auth"] = Reply(401, b'{"error": {"message": "Wrong password."}}')
    failed(run, "authentication-failed", "Wrong password.", "password", "domain")


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        (b'{"error": {"message": "You are not authorized to use index."}}', "forbidden", "role"),
        (f'{{"error": {{"message": "{TRUST}"}}}}'.encode(), "restricted-credentials",
         "--unrestricted"),
        (b'{"error": {"message": "Quota exceeded for instances"}}', "quota-exceeded", "preflight"),
        (b'{"error": "policy"}', "forbidden", "policy"),
        (LOGIN, "forbidden", "Sign in"),
    ],
)  # fmt: skip
def test_forbidden(cloud: FakeCloud, run: object, body: bytes, code: str, word: str) -> None:
    """A 403 is a missing role, a restricted credential or a quota; none mentions events."""
    cloud.faults["GET /heat"] = Reply(403, body)
    failed(run, code, word)
    assert callable(run)
    assert "event list" not in run().text


def test_restricted_credential_of_creation(
    cloud: FakeCloud, cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Heat refuses to create a stack with a restricted application credential."""
    cloud.faults["POST /heat"] = Reply(403, f'{{"error": {{"message": "{TRUST}"}}}}'.encode())
    assert main(["create", str(cluster), "--os-cloud", "lab", "--stack", "other"]) == 1
    err = capsys.readouterr().err
    assert "error[restricted-credentials]: " in err
    assert "--unrestricted" in err


@pytest.mark.parametrize(
    ("status", "body", "word"),
    [
        (500, b'{"error": {"message": "Internal Error"}}', "Internal Error"),
        (502, b"<html>Bad gateway</html>", "Bad gateway"),
        (503, b"<html><head><title>503 Service Unavailable</title></head><body>x</body>",
         "503 Service Unavailable"),
        (503, b"", "503"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("start", ["GET /heat", "POST /v3/auth"])
def test_failing_service(
    cloud: FakeCloud, run: object, start: str, status: int, body: bytes, word: str
) -> None:
    """A 5xx is reported with its text, without tags and without bytes of Python."""
    cloud.faults[start] = Reply(status, body, HTML if body[:1] == b"<" else "application/json")
    failed(run, "cloud-error", f"HTTP {status}", "operator")
    assert callable(run)
    text = run().text
    assert "b'" not in text
    assert "<" not in text
    if start == "GET /heat":
        assert word in text


@pytest.mark.parametrize("start", ["GET /", "GET /v3", "GET /heat", "POST /v3/auth"])
@pytest.mark.parametrize(
    "reply",
    [Reply(200, LOGIN, HTML), Reply(200), Reply(200, b"[]"), Reply(200, b"x", "text/plain")],
    ids=["login", "object", "list", "text"],
)
def test_response_of_other_service(cloud: FakeCloud, run: object, start: str, reply: Reply) -> None:
    """A login page, or other JSON, instead of a service is not a bug in heatgen."""
    cloud.faults[start] = reply
    assert callable(run)
    outcome = run()
    if outcome.status:
        assert outcome.text.startswith("error[unexpected-response]: "), outcome.text
    else:
        # The libraries do not need every response of version discovery.
        assert start in ("GET /", "GET /v3")


def test_page_not_found_at_keystone(cloud: FakeCloud, run: object) -> None:
    """A 404 while authenticating, or with a page, does not mean that the stack does not exist."""
    cloud.faults["POST /v3/auth"] = Reply(404, LOGIN, HTML)
    failed(run, "unexpected-response", "auth_url")
    cloud.faults = {"GET /heat": Reply(404, LOGIN, HTML)}
    failed(run, "unexpected-response", "404")
    cloud.faults = {"GET /heat": Reply(404, b'{"error": {"message": "The Stack"}}')}
    failed(run, "not-found", STACK)


def test_catalog(cloud: FakeCloud, run: object) -> None:
    """A catalog without the service in the region is reported; options choose both."""
    cloud.regions = {"RegionOne": "internal", "RegionTwo": "public"}
    one, two = ("--os-region-name", "RegionOne"), ("--os-region-name", "RegionTwo")
    lab = ("--os-cloud", "lab")
    failed(run, "service-not-found", "RegionOne", "--os-interface", options=(*lab, *one))
    assert callable(run)
    assert run(*lab, *one, "--os-interface", "internal").status == 0
    assert run(*lab, *two).status == 0
    cloud.regions = {}
    failed(run, "service-not-found", "catalog", options=lab)


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("clouds:\n  lab:\n", "2:", "empty-value"),
        ("clouds:\n  lab: null\n", "2:8", "empty-value"),
        ("clouds:\n  lab: x\n", "2:8", "wrong-type"),
        ("clouds:\n  lab:\n    auth:\n", "3:", "empty-value"),
        ("clouds:\n  lab:\n    auth: p4ssw0rd\n", "3:11", "wrong-type"),
        ("clouds: [lab]\n", "1:9", "wrong-type"),
        ("clouds:\n", "1:", "empty-value"),
        ("clouds: {lab: \n", "2:1", "yaml-syntax"),
        ("clouds:\n\tlab: {}\n", "2:1", "yaml-syntax"),
    ],
)
def test_invalid_clouds_yaml(run: object, text: str, place: str, code: str) -> None:
    """Mistakes in clouds.yaml have a place; their text is not quoted."""
    Path("clouds.yaml").write_text(text)
    assert callable(run)
    outcome = run()
    assert outcome.status == 2
    assert "clouds.yaml:" + place in outcome.text
    assert f"error[{code}]: " in outcome.text
    assert "p4ssw0rd" not in outcome.text


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b""])
def test_unreadable_clouds_yaml(run: object, content: bytes) -> None:
    """A clouds.yaml that is not text, or empty, is reported."""
    Path("clouds.yaml").write_bytes(content)
    assert callable(run)
    outcome = run()
    assert outcome.status in (1, 2)
    assert "clouds.yaml" in outcome.text


def test_missing_entry(run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that does not exist is reported with a similar one, or with the files searched."""
    failed(run, "no-credentials", "there is no clouds.yaml")
    monkeypatch.setenv("OS_CLOUD", "nope")
    failed(run, "no-credentials", "'nope'", "OS_CLOUD", options=("--os-interface", "public"))
    fake_cloud.write_clouds("http://127.0.0.1:1")
    failed(run, "no-credentials", "'lap'", "did you mean 'lab'", options=("--os-cloud", "lap"))


def test_missing_credentials(run: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named."""
    options = ("--os-interface", "public")
    failed(run, "no-credentials", "auth_url", options=options)
    monkeypatch.setenv("OS_AUTH_URL", "http://127.0.0.1:1")
    failed(run, "no-credentials", "username and password", options=options)
    monkeypatch.setenv("OS_USERNAME", "u")
    failed(run, "no-credentials", "lack password", "OS_PASSWORD", options=options)
    monkeypatch.setenv("OS_PASSWORD", "p")
    monkeypatch.setenv("OS_AUTH_URL", "keystone:5000/v3")
    failed(run, "no-credentials", "'keystone:5000/v3'", "https://", options=options)


def test_missing_plugin(run: object) -> None:
    """A plug-in that is not installed is named, with a similar one or the package to install."""
    fake_cloud.write_clouds("http://127.0.0.1:1", auth_type="v3passwort")
    failed(run, "auth-plugin-missing", "'v3passwort'", "did you mean 'v3password'")
    fake_cloud.write_clouds("http://127.0.0.1:1", auth_type="my-sso")
    failed(run, "auth-plugin-missing", "'my-sso'", "install the package")


def test_bugs_are_reported_as_bugs(
    cloud: FakeCloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error in heatgen's own code is not reported as a failure of the cloud."""

    def broken(*_: object, **__: object) -> None:
        connection.call(lambda: dict[str, str]()["key"])

    monkeypatch.setattr("heatgen.cloud.stack.get", broken)
    assert main(["status", STACK, "--os-cloud", "lab"]) == 1
    assert "error[internal-error]: KeyError" in capsys.readouterr().err
