# SPDX-License-Identifier: Apache-2.0
"""Resolution of locks from a mirror and a registry on loopback."""

import datetime
import gzip
import hashlib
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from heatgen.blocks import pins
from heatgen.project import http, lock
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Position, Problem, ProblemsFound
from tests.unit.heatgen.support import tiny
from tests.unit.heatgen.support.website import DIGEST, Site, alone, serving

TOOL_PATH = "/example.org/v1.0/tool.tar.gz"
SUMS_PATH = "/example.org/sums"
MANIFEST_PATH = "/v2/pause/manifests/3"
UNPUBLISHED = b", checksums: 'https://example.org/sums'"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry transient failures without a pause."""
    alone(monkeypatch)


@pytest.fixture
def site() -> Iterator[Site]:
    """Yield a mirror and registry with all files of the minimal blocks."""
    served = Site()
    blocks = tiny.build_catalog()
    served.serve_all(tiny.spec(tiny.CLUSTER, blocks), blocks)
    served.files[SUMS_PATH] = f"{'0' * 64}  other\n".encode() + served.files[SUMS_PATH]
    with serving(served):
        yield served


def tool_sum(site: Site) -> str:
    """Return the checksum of the tool."""
    return hashlib.sha256(site.files[TOOL_PATH]).hexdigest()


def resolved(
    site: Site, files: dict[str, bytes] | None = None, url: str = ""
) -> tuple[lock.Resolution, list[str]]:
    """Resolve a minimal cluster with a mirror and registry; return the result and the notices."""
    blocks = tiny.build_catalog(files)
    address = url or site.url
    text = f"{tiny.CLUSTER}artifacts: {{mirror: '{address}', registry: '{address}'}}\n"
    spec = tiny.spec(text, blocks)
    notices: list[str] = []
    return lock.resolve(spec, lock.pin_requests(spec, blocks), notices.append), notices


def problems(site: Site, url: str = "") -> list[Problem]:
    """Return the problems of a resolution, sorted by artifact or image."""
    found = resolved(site, url=url)[0].problems
    return sorted(found, key=lambda problem: problem.file)


def test_published_checksums(site: Site) -> None:
    """The checksum is read from upstream's checksum file; the artifact itself is not fetched."""
    resolution, notices = resolved(site)
    expected = pins.Pins({tiny.TOOL: tool_sum(site)}, {tiny.PAUSE: DIGEST})
    assert resolution == lock.Resolution(expected, ())
    assert TOOL_PATH not in site.requests
    assert not notices


def without_checksums() -> dict[str, bytes]:
    """Return the minimal blocks with an artifact without a checksum file."""
    files = tiny.tree()
    path = "blocks/runtime/containerd/block.yaml"
    assert UNPUBLISHED in files[path]
    files[path] = files[path].replace(UNPUBLISHED, b"")
    return files


def test_missing_checksum_file(site: Site) -> None:
    """Without a checksum file the artifact is fetched and hashed, with a notice."""
    resolution, notices = resolved(site, without_checksums())
    assert resolution.pins.artifacts == {tiny.TOOL: tool_sum(site)}
    (notice,) = notices
    assert notice.startswith("tool.tar.gz: ")
    assert f"{site.url}{TOOL_PATH}" in notice


def test_content_encoding(site: Site) -> None:
    """A content encoding does not change the checksum, because nodes do not decode it."""
    site.files[TOOL_PATH] = gzip.compress(b"a tool")
    site.headers[TOOL_PATH] = {"Content-Encoding": "gzip"}
    assert resolved(site, without_checksums())[0].pins.artifacts == {tiny.TOOL: tool_sum(site)}


def test_anonymous_token(site: Site) -> None:
    """A registry that requires a token gets an anonymous one."""
    site.token = "let-me-in"
    assert resolved(site)[0].pins.images == {tiny.PAUSE: DIGEST}


@pytest.mark.parametrize(
    ("challenge", "scope"),
    [
        ('Bearer realm="{url}/token",service="s",scope="pull"', "scope=pull"),
        ('bearer realm="{url}/token", service=s', "scope=repository%3Apause%3Apull"),
        ('Basic realm="r", Bearer realm="{url}/token",service="s"', "service=s"),
        ('Bearer realm="{url}/token",service="s", Basic realm="r"', "service=s"),
    ],
    ids=["complete", "without scope", "second", "first"],
)
def test_challenges(site: Site, challenge: str, scope: str) -> None:
    """The token is requested as in the Bearer challenge, even if other logins are offered."""
    site.token, site.challenge = "let-me-in", challenge
    assert resolved(site)[0].pins.images == {tiny.PAUSE: DIGEST}
    (request,) = [path for path in site.requests if path.startswith("/token")]
    assert scope in request


def test_login_required(site: Site) -> None:
    """A registry that offers no anonymous token is a failed download."""
    site.token, site.challenge = "let-me-in", 'Basic realm="r"'
    (problem,) = problems(site)
    assert problem.code == Code.DOWNLOAD_FAILED
    assert "requires a login" in problem.message


def test_rejected_token(site: Site) -> None:
    """A registry that rejects an anonymous token is a failed download."""
    site.token = "secret"
    (problem,) = problems(site)
    assert problem.code == Code.DOWNLOAD_FAILED
    assert f"{site.url}{MANIFEST_PATH}" in problem.message


def test_missing_files(site: Site) -> None:
    """Each missing file is a problem with its URL, and is requested once."""
    site.files.clear()
    first, second = problems(site)
    assert {first.code, second.code} == {Code.DOWNLOAD_FAILED}
    assert f"{site.url}{SUMS_PATH}: HTTP 404" in first.message
    assert f"{site.url}{MANIFEST_PATH}: HTTP 404" in second.message
    assert "MIRROR/HOST/PATH" in first.hint
    assert sorted(site.requests) == [SUMS_PATH, MANIFEST_PATH]


def test_checksum_of_another_file(site: Site) -> None:
    """A checksum file without the artifact is a problem that names the files in it."""
    site.files[SUMS_PATH] = f"{'0' * 64}  other.tar.gz\n".encode()
    (problem,) = problems(site)
    assert problem.code == Code.CHECKSUM_NOT_FOUND
    assert "other.tar.gz" in problem.hint


def test_web_page_instead_of_checksums(site: Site) -> None:
    """A web page is not a checksum file."""
    site.files[SUMS_PATH] = b"<html>Please log in</html>"
    assert problems(site)[0].code == Code.CHECKSUM_NOT_FOUND


def test_large_responses(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response above the size limit is rejected."""
    monkeypatch.setattr(http, "MAX_BODY", 10)
    assert {problem.code for problem in problems(site)} == {Code.DOWNLOAD_REJECTED}


def test_wrong_digest(site: Site) -> None:
    """A manifest that does not match the digest in its headers is rejected."""
    site.headers[MANIFEST_PATH] = {"Docker-Content-Digest": "sha256:" + "0" * 64}
    assert problems(site)[0].code == Code.DOWNLOAD_REJECTED


def test_connection_refused(site: Site) -> None:
    """A refused connection is reported with the innermost reason only."""
    problem = problems(site, url="http://127.0.0.1:1")[0]
    assert problem.code == Code.DOWNLOAD_FAILED
    assert problem.message.endswith("/sums: Connection refused (tried 3 times)")


@pytest.mark.parametrize(
    "files", [tiny.tree(), without_checksums()], ids=["checksum file", "artifact"]
)
def test_transient_failures(site: Site, files: dict[str, bytes]) -> None:
    """Requests are retried after status 503 and after truncated responses."""
    for path in (SUMS_PATH, TOOL_PATH, MANIFEST_PATH):
        site.statuses[path] = [503]
        site.broken[path] = 1
    assert resolved(site, files)[0].problems == ()


def test_permanent_failures(site: Site) -> None:
    """After three attempts the last failure is reported."""
    site.statuses[SUMS_PATH] = [502] * 9
    site.broken[MANIFEST_PATH] = 9
    first, second = problems(site)
    assert {first.code, second.code} == {Code.DOWNLOAD_FAILED}
    assert "HTTP 502" in first.message
    assert "bytes read" in second.message
    assert site.requests.count(SUMS_PATH) == 3


def test_silent_server(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that accepts a request and does not respond is a timeout."""
    monkeypatch.setattr(http, "TIMEOUT", (1, 0.05))
    site.meeting = threading.Barrier(99)
    for problem in problems(site):
        assert problem.code == Code.DOWNLOAD_FAILED
        assert "timed out" in problem.message
    site.meeting.abort()


def test_slow_server(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response that is sent byte by byte is aborted at the time limit."""
    monkeypatch.setattr(http, "MAX_DURATION", 0.05)
    site.files[SUMS_PATH] = b"0" * 3000
    site.dripping[SUMS_PATH] = 0
    (problem,) = problems(site)
    assert problem.code == Code.DOWNLOAD_FAILED
    assert "0.05 s" in problem.message
    assert 0 < site.dripping[SUMS_PATH] < 3000


def test_concurrent_requests(site: Site) -> None:
    """Requests are concurrent: the server responds only when it has received both."""
    site.meeting = threading.Barrier(2)
    assert resolved(site)[0].problems == ()


def test_proxy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is used, except for hosts in NO_PROXY."""
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.setenv("no_proxy", "near.invalid")
    remote = "http://far.invalid"
    for path in list(site.files):
        site.files[f"{remote}{path}"] = site.files[path]
    assert resolved(site, url=remote)[0].problems == ()
    assert f"{remote}{SUMS_PATH}" in site.requests
    assert problems(site, url="http://near.invalid")[0].code == Code.DOWNLOAD_FAILED


def test_unreachable_proxy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint for an unreachable proxy names the variables."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    problem = problems(site, url="http://far.invalid")[0]
    assert problem.code == Code.DOWNLOAD_FAILED
    assert "NO_PROXY" in problem.hint


def certificate(folder: Path) -> Path:
    """Write a self-signed certificate for localhost and its key to one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_tls(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown authority is an error; one in REQUESTS_CA_BUNDLE is trusted."""
    path = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    with serving(Site(files=site.files, headers=site.headers), tls) as secure:
        problem = problems(secure)[0]
        assert problem.code == Code.DOWNLOAD_FAILED
        assert "REQUESTS_CA_BUNDLE" in problem.hint
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
        assert resolved(secure)[0].problems == ()
        # A redirect from HTTPS to HTTP is rejected.
        secure.statuses[SUMS_PATH] = [302]
        secure.headers[SUMS_PATH] = {"Location": f"{site.url}{SUMS_PATH}"}
        (problem,) = problems(secure)
        assert problem.code == Code.DOWNLOAD_REJECTED


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A" * 64, "a" * 64),
        (f"{'b' * 64}  tool\n", "b" * 64),
        (f"{'b' * 64} *tool\n", "b" * 64),
        (f"{'b' * 64}  ./dist/tool\n", "b" * 64),
        (f"# sums\n{'0' * 64}  tool2\n{'b' * 64}  tool\n", "b" * 64),
        (f"{'0' * 64}  tools\n", None),
        ("<html>not found</html>", None),
        ("", None),
    ],
)
def test_checksum_files(text: str, found: str | None) -> None:
    """Checksum files contain bare hex, or lines of hex and name."""
    assert lock.checksum(text, "tool") == found


def test_lock_file_round_trip() -> None:
    """A written lock is read unchanged; its entries are sorted."""
    lock_file = pins.Pins({"https://b/": "b" * 64, "https://a/": "a" * 64}, {tiny.PAUSE: DIGEST})
    text = pins.write(lock_file)
    again = pins.read("lock", text.encode())
    assert (again.artifacts, again.images) == (lock_file.artifacts, lock_file.images)
    assert text.index("https://a/") < text.index("https://b/")


def read_problems(raw: bytes) -> list[Problem]:
    """Return the problems of a lock that is not valid."""
    with pytest.raises(ProblemsFound) as found:
        pins.read("lock", raw)
    return list(found.value.problems)


def test_invalid_checksum() -> None:
    """A malformed checksum is reported at its position, with a hint."""
    (problem,) = read_problems(b"version: 1\nartifacts:\n  https://a/: abc\n")
    assert problem.code == Code.INVALID_FORMAT
    assert problem.position == Position(3, 15, 3)
    assert "heatgen lock" in problem.hint


def test_newer_lock() -> None:
    """For a lock of a newer version only the version is reported."""
    (problem,) = read_problems(b"version: 2\nsignatures: []\n")
    assert (problem.code, problem.position) == (Code.NEWER_LOCK, Position(1, 10))


@pytest.mark.parametrize(
    "raw", [b"", b"- a\n", b"version: x\n", b"{}", b"version: 0\n", b"artifacts: {}\n"]
)
def test_invalid_lock_files(raw: bytes) -> None:
    """Other YAML documents are reported as invalid locks."""
    assert {problem.file for problem in read_problems(raw)} == {"lock"}


def test_all_groups_are_locked() -> None:
    """Artifacts of the runtimes of all groups are pinned."""
    blocks = tiny.build_catalog()
    found = lock.pin_requests(tiny.spec(tiny.GROUPS, blocks), blocks)
    assert [item.name for item in found] == [tiny.TOOL, tiny.ENGINE, tiny.PAUSE]
    assert [item.owner for item in found] == [
        "artifact 'tool' of runtime/containerd",
        "artifact 'engine' of runtime/docker",
        "image 'pause' of runtime/containerd",
    ]
