# SPDX-License-Identifier: Apache-2.0
"""The lock against a mirror and a registry on loopback."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from heatgen import lock, pins
from heatgen.problems import ProblemsFound

from . import tiny

TOOL_PATH = "/example.org/v1.0/tool.tar.gz"
SUMS_PATH = "/example.org/sums"
MANIFEST_PATH = "/v2/pause/manifests/3"
TOOL = b"a tool"
TOOL_SUM = hashlib.sha256(TOOL).hexdigest()
MANIFEST = b'{"schemaVersion": 2}'
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()


@dataclass
class Site:
    """What the server on loopback serves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    token: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    """A mirror and registry with all that the tiny house wants."""
    served = Site(files={
        TOOL_PATH: TOOL,
        SUMS_PATH: f"{'0' * 64}  other\n{TOOL_SUM}  tool.tar.gz\n".encode(),
        MANIFEST_PATH: MANIFEST,
    })  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            if self.path.startswith("/token?"):
                self.reply(200, b'{"token": "let-me-in"}', {})
            elif (
                served.token
                and self.path.startswith("/v2/")
                and (self.headers.get("Authorization") != f"Bearer {served.token}")
            ):
                challenge = f'Bearer realm="{served.url}/token",service="s",scope="pull"'
                self.reply(401, b"", {"WWW-Authenticate": challenge})
            elif self.path in served.files:
                self.reply(200, served.files[self.path], served.headers.get(self.path, {}))
            else:
                self.reply(404, b"", {})

        def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield served
    server.shutdown()
    server.server_close()


def locked(site: Site, files: dict[str, bytes] | None = None) -> tuple[pins.Pins, list[str]]:
    """The lock of a tiny cluster with the site as mirror and registry, and what was said."""
    blocks = tiny.house(files)
    text = f"{tiny.CLUSTER}artifacts: {{mirror: '{site.url}', registry: '{site.url}'}}\n"
    said: list[str] = []
    return lock.resolve(tiny.wish(text, blocks), blocks, said.append), said


def test_published_sums(site: Site) -> None:
    """The sum is upstream's, from its checksum file; the artefact itself is not fetched."""
    found, said = locked(site)
    assert found.artefacts == {tiny.TOOL: TOOL_SUM}
    assert found.images == {tiny.PAUSE: DIGEST}
    assert TOOL_PATH not in site.asked
    assert not said


def without_sums() -> dict[str, bytes]:
    """The tiny house with an artefact for which no checksum file is published."""
    files = tiny.tree()
    path = "blocks/runtime/containerd/block.yaml"
    files[path] = files[path].replace(b", checksums: 'https://example.org/sums'", b"")
    return files


def test_unpublished_sums(site: Site) -> None:
    """Where upstream publishes nothing the file is hashed, and that is said."""
    found, said = locked(site, without_sums())
    assert found.artefacts == {tiny.TOOL: TOOL_SUM}
    source = f"{site.url}{TOOL_PATH}"
    assert said == [f"tool.tar.gz: upstream publishes no checksum; hashed what {source} gave"]


def test_anonymous_token(site: Site) -> None:
    """A registry that wants a token gets an anonymous one, as public registries do."""
    site.token = "let-me-in"
    assert locked(site)[0].images == {tiny.PAUSE: DIGEST}


def refused(site: Site) -> list[str]:
    """Messages of the problems, in order."""
    with pytest.raises(ProblemsFound) as found:
        locked(site)
    return [problem.message for problem in found.value.problems]


def test_all_that_is_missing_is_told(site: Site) -> None:
    """Two sources that do not answer are two problems with their URLs."""
    site.files.clear()
    assert refused(site) == [
        f"cannot fetch {site.url}{SUMS_PATH}: HTTP 404 Not Found",
        f"cannot fetch {site.url}{MANIFEST_PATH}: HTTP 404 Not Found",
    ]


def test_sum_of_another_file(site: Site) -> None:
    """A checksum file that does not know the artefact is no checksum."""
    site.files[SUMS_PATH] = f"{TOOL_SUM}  other.tar.gz\n".encode()
    assert refused(site) == [f"{site.url}{SUMS_PATH} has no SHA-256 of tool.tar.gz"]


def test_registry_that_contradicts_itself(site: Site) -> None:
    """A digest that is not that of the manifest is not believed."""
    site.headers[MANIFEST_PATH] = {"Docker-Content-Digest": "sha256:" + "0" * 64}
    assert "but its manifest is" in refused(site)[0]


def test_nobody_answers() -> None:
    """A mirror that is not there is told in one line, without a traceback of wrappers."""
    message = refused(Site(url="http://127.0.0.1:1"))[0]
    assert "Connection refused" in message
    assert "HTTPConnectionPool" not in message


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
    assert (again.artefacts, again.images) == (made.artefacts, made.images)
    assert text.index("https://a/") < text.index("https://b/")


def test_broken_lock_file() -> None:
    """A sum that is none is told with its place."""
    with pytest.raises(ProblemsFound) as found:
        pins.read("lock", b"version: 1\nartefacts:\n  https://a/: abc\n")
    problem = found.value.problems[0]
    assert problem.message == "artefacts.https://a/ must be a SHA-256 in hex, not 'abc'"
    assert problem.position is not None
    assert problem.position.line == 3


def test_all_groups_are_locked() -> None:
    """What the runtime of any group fetches is pinned, too."""
    blocks = tiny.house()
    found = lock.wanted(tiny.wish(tiny.GROUPS, blocks), blocks)
    assert [item.url for item in found.artefacts] == [tiny.TOOL, tiny.ENGINE]
    assert found.images == (tiny.PAUSE,)
