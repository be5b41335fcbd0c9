# SPDX-License-Identifier: Apache-2.0
"""The lock against a mirror and a registry on loopback."""

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
from heatgen.yamlio.problems import Problem, ProblemsFound, report
from tests.unit.heatgen.support import tiny
from tests.unit.heatgen.support.website import DIGEST, Site, alone, serving

TOOL_PATH = "/example.org/v1.0/tool.tar.gz"
SUMS_PATH = "/example.org/sums"
MANIFEST_PATH = "/v2/pause/manifests/3"
UNPUBLISHED = b", checksums: 'https://example.org/sums'"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures that may pass are tried again without a pause."""
    alone(monkeypatch)


@pytest.fixture
def site() -> Iterator[Site]:
    """A mirror and registry with all that the tiny house wants."""
    served = Site()
    blocks = tiny.build_catalog()
    served.serve_all(tiny.spec(tiny.CLUSTER, blocks), blocks)
    served.files[SUMS_PATH] = f"{'0' * 64}  other\n".encode() + served.files[SUMS_PATH]
    with serving(served):
        yield served


def tool_sum(site: Site) -> str:
    """The sum of the tiny tool."""
    return hashlib.sha256(site.files[TOOL_PATH]).hexdigest()


def asked(
    site: Site, files: dict[str, bytes] | None = None, url: str = ""
) -> tuple[lock.Answers, list[str]]:
    """What a tiny cluster's mirror and registry answer, and what was said."""
    blocks = tiny.build_catalog(files)
    address = url or site.url
    text = f"{tiny.CLUSTER}artifacts: {{mirror: '{address}', registry: '{address}'}}\n"
    spec = tiny.spec(text, blocks)
    said: list[str] = []
    return lock.ask(spec, lock.wanted(spec, blocks), said.append), said


def problems(site: Site, url: str = "") -> list[Problem]:
    """What the site does not answer, by the name of what was asked for."""
    found = asked(site, url=url)[0].problems
    return sorted(found, key=lambda problem: problem.file)


def test_published_sums(site: Site) -> None:
    """The sum is upstream's, from its checksum file; the artifact itself is not fetched."""
    answers, said = asked(site)
    assert answers == lock.Answers(pins.Pins({tiny.TOOL: tool_sum(site)}, {tiny.PAUSE: DIGEST}), ())
    assert TOOL_PATH not in site.requests
    assert not said


def without_sums() -> dict[str, bytes]:
    """The tiny house with an artifact for which no checksum file is published."""
    files = tiny.tree()
    path = "blocks/runtime/containerd/block.yaml"
    assert UNPUBLISHED in files[path]
    files[path] = files[path].replace(UNPUBLISHED, b"")
    return files


def test_unpublished_sums(site: Site) -> None:
    """Where upstream publishes nothing the file is hashed, and that is said."""
    answers, said = asked(site, without_sums())
    assert answers.pins.artifacts == {tiny.TOOL: tool_sum(site)}
    source = f"{site.url}{TOOL_PATH}"
    assert said == [f"tool.tar.gz: upstream publishes no checksum; hashed what {source} gave"]


def test_bytes_as_they_lie_there(site: Site) -> None:
    """A server that calls its archives encoded does not change their sum: nodes get the same."""
    site.files[TOOL_PATH] = gzip.compress(b"a tool")
    site.headers[TOOL_PATH] = {"Content-Encoding": "gzip"}
    assert asked(site, without_sums())[0].pins.artifacts == {tiny.TOOL: tool_sum(site)}


def test_anonymous_token(site: Site) -> None:
    """A registry that wants a token gets an anonymous one, as public registries do."""
    site.token = "let-me-in"
    assert asked(site)[0].pins.images == {tiny.PAUSE: DIGEST}


def test_refused_token(site: Site) -> None:
    """A registry that wants more than an anonymous token is told as one that wants a login."""
    site.token = "secret"
    (problem,) = problems(site)
    assert problem.message == f"cannot fetch {site.url}{MANIFEST_PATH}: it wants a login"


def test_all_that_is_missing_is_told(site: Site) -> None:
    """Two sources that do not answer are two problems with their URLs, each asked once."""
    site.files.clear()
    one, other = problems(site)
    assert one.message == f"cannot fetch {site.url}{SUMS_PATH}: HTTP 404 Not Found"
    assert other.message == f"cannot fetch {site.url}{MANIFEST_PATH}: HTTP 404 Not Found"
    assert "MIRROR/HOST/PATH" in one.hint
    assert sorted(site.requests) == [SUMS_PATH, MANIFEST_PATH]


def test_sum_of_another_file(site: Site) -> None:
    """A checksum file that does not know the artifact is no checksum; what it knows is told."""
    site.files[SUMS_PATH] = f"{'0' * 64}  other.tar.gz\n".encode()
    (problem,) = problems(site)
    assert problem.message == f"{site.url}{SUMS_PATH} has no SHA-256 of tool.tar.gz"
    assert problem.hint == "it has those of other.tar.gz"


def test_page_in_place_of_sums(site: Site) -> None:
    """A portal's page is no checksum file."""
    site.files[SUMS_PATH] = b"<html>Please log in</html>"
    assert problems(site)[0].hint == "it is not a checksum file"


def test_endless_sums(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too large for a checksum file is not read to its end."""
    monkeypatch.setattr(http, "MAX_BODY", 10)
    assert all("has more than 10 bytes" in problem.message for problem in problems(site))


def test_registry_that_contradicts_itself(site: Site) -> None:
    """A digest that is not that of the manifest is not believed."""
    site.headers[MANIFEST_PATH] = {"Docker-Content-Digest": "sha256:" + "0" * 64}
    assert "but its manifest is" in problems(site)[0].message


def test_nobody_answers(site: Site) -> None:
    """A mirror that is not there is told in one line, without a traceback of wrappers."""
    problem = problems(site, url="http://127.0.0.1:1")[0]
    assert problem.message.endswith("/sums: Connection refused (tried 3 times)")


@pytest.mark.parametrize(
    "files", [tiny.tree(), without_sums()], ids=["checksum file", "whole file"]
)
def test_failures_that_pass(site: Site, files: dict[str, bytes]) -> None:
    """A server that is busy, and one that hangs up in the middle, are asked again."""
    for path in (SUMS_PATH, TOOL_PATH, MANIFEST_PATH):
        site.statuses[path] = [503]
        site.broken[path] = 1
    assert asked(site, files)[0].problems == ()


def test_failures_that_stay(site: Site) -> None:
    """After a few tries a failure is one, with what it is."""
    site.statuses[SUMS_PATH] = [502] * 9
    site.broken[MANIFEST_PATH] = 9
    one, other = problems(site)
    assert one.message.endswith("HTTP 502 Bad Gateway (tried 3 times)")
    assert "bytes read" in other.message
    assert site.requests.count(SUMS_PATH) == 3


def test_silence(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes a question and says nothing is left after the time-out."""
    monkeypatch.setattr(http, "TIMEOUT", (1, 0.05))
    site.meeting = threading.Barrier(99)
    for problem in problems(site):
        assert problem.message.endswith("timed out (tried 3 times)")
    site.meeting.abort()


def test_endless_drip(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that keeps the line alive byte by byte is left long before the end."""
    monkeypatch.setattr(http, "LONGEST", 0.05)
    site.files[SUMS_PATH] = b"0" * 3000
    site.dripping[SUMS_PATH] = 0
    (problem,) = problems(site)
    assert problem.message.endswith("it is not complete after 0.05 s")
    assert 0 < site.dripping[SUMS_PATH] < 3000


def test_questions_side_by_side(site: Site) -> None:
    """All are asked at the same time: here each is answered only when the other was asked, too."""
    site.meeting = threading.Barrier(2)
    assert asked(site)[0].problems == ()


def test_proxy_of_the_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is asked for what lies elsewhere, but not for what NO_PROXY names."""
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.setenv("no_proxy", "near.invalid")
    there = "http://far.invalid"
    for path in list(site.files):
        site.files[f"{there}{path}"] = site.files[path]
    assert asked(site, url=there)[0].problems == ()
    assert f"{there}{SUMS_PATH}" in site.requests
    assert "tried 3 times" in problems(site, url="http://near.invalid")[0].message


def test_proxy_that_is_away(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the proxy that is blamed."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    problem = problems(site, url="http://far.invalid")[0]
    assert "the proxy failed" in problem.message
    assert "NO_PROXY" in problem.hint


def certificate(folder: Path) -> Path:
    """A certificate for localhost that nobody knows, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    made = (
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
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_tls(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown authority is an error with the way out; a known one is believed."""
    path = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    with serving(Site(files=site.files, headers=site.headers), tls) as secure:
        problem = problems(secure)[0]
        assert "TLS failed: self-signed certificate" in problem.message
        assert "REQUESTS_CA_BUNDLE" in problem.hint
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
        assert asked(secure)[0].problems == ()
        # What was asked for in safety is not taken from anywhere else.
        secure.statuses[SUMS_PATH] = [302]
        secure.headers[SUMS_PATH] = {"Location": f"{site.url}{SUMS_PATH}"}
        (problem,) = problems(secure)
        assert "which anybody can forge" in problem.message


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
    """Bare hex, or lines of hex and name; never the sum of another file."""
    assert lock.checksum(text, "tool") == found


def test_lock_file_round_trip() -> None:
    """What is written is read back, sorted, whatever the order was."""
    made = pins.Pins({"https://b/": "b" * 64, "https://a/": "a" * 64}, {tiny.PAUSE: DIGEST})
    text = pins.write(made)
    again = pins.read("lock", text.encode())
    assert (again.artifacts, again.images) == (made.artifacts, made.images)
    assert text.index("https://a/") < text.index("https://b/")


def unreadable(raw: bytes) -> str:
    """The report of a lock that cannot be used."""
    with pytest.raises(ProblemsFound) as found:
        pins.read("lock", raw)
    return report(found.value.problems, found.value.sources)


def test_broken_lock_file() -> None:
    """A sum that is none is told with its place and the way out."""
    said = unreadable(b"version: 1\nartifacts:\n  https://a/: abc\n")
    assert "lock:3:15: error: artifacts.https://a/ must be a SHA-256 in hex, not 'abc'" in said
    assert "hint: locks are made: remove it and run 'heatgen lock'" in said


def test_lock_of_a_newer_form() -> None:
    """Of a lock from the future nothing is said but that, whatever else it holds."""
    assert unreadable(b"version: 2\nsignatures: []\n") == (
        "lock:1:10: error: the lock is of version 2, this heatgen knows 1\n"
        "   1 | version: 2\n"
        "     |          ^\n"
        "  hint: use the heatgen that made it, or a newer one"
    )


@pytest.mark.parametrize(
    "raw", [b"", b"- a\n", b"version: x\n", b"{}", b"version: 0\n", b"artifacts: {}\n"]
)
def test_files_that_are_no_locks(raw: bytes) -> None:
    """Whatever lies there: a report."""
    assert "lock" in unreadable(raw)


def test_all_groups_are_locked() -> None:
    """What the runtime of any group fetches is pinned, too."""
    blocks = tiny.build_catalog()
    found = lock.wanted(tiny.spec(tiny.GROUPS, blocks), blocks)
    assert [item.name for item in found] == [tiny.TOOL, tiny.ENGINE, tiny.PAUSE]
    assert [item.owner for item in found] == [
        "artifact 'tool' of runtime/containerd",
        "artifact 'engine' of runtime/docker",
        "image 'pause' of runtime/containerd",
    ]
