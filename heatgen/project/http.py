# SPDX-License-Identifier: Apache-2.0
"""Edge: questions to web servers, bounded in time, tries and bytes; failures in plain words.

Proxies and authorities are those of the environment, as everywhere: ``HTTPS_PROXY``,
``HTTP_PROXY``, ``NO_PROXY``, ``REQUESTS_CA_BUNDLE``.
"""

import hashlib
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import requests
import urllib3

from heatgen import VERSION

PARALLEL = 8
"""Questions at the same time."""
TIMEOUT = (10, 30)
"""Seconds to connect, and between two bytes."""
LONGEST = 1800
"""Seconds for one answer, however steadily it drips."""
PAUSES = (0.5, 2.0)
"""Seconds before the second try and the third, which is the last."""
MAX_BODY = 4 * 1024 * 1024
"""Bytes of an answer that is read into memory: checksum files, manifests."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may be better the next time."""
_CHUNK = 1024 * 1024
_T = TypeVar("_T")
_Item = TypeVar("_Item")


class Unavailable(Exception):
    """A source gave no usable answer; the text says which and why, the hint what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class _Passing(Unavailable):
    """A failure that may be gone the next time."""


class Denied(Unavailable):
    """The server wants to know who asks (HTTP 401)."""

    def __init__(self, url: str, challenge: str) -> None:
        super().__init__(f"cannot fetch {url}: it wants a login")
        self.challenge = challenge


@dataclass(frozen=True)
class Answer:
    """A body and its headers."""

    body: bytes
    headers: Mapping[str, str]


def session() -> requests.Session:
    """A session for all questions of a run."""
    made = requests.Session()
    # Bytes as they lie there: what nodes fetch is not unpacked on the way either.
    made.headers.update({"User-Agent": f"heatgen/{VERSION}", "Accept-Encoding": "identity"})
    return made


def get(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> Answer:
    """A small answer.

    Raises:
        Denied: the server wants to know who asks.
        Unavailable: there is no answer.
    """

    def ask() -> Answer:
        with _opened(session, url, headers, params) as reply:
            body = b""
            for chunk in _chunks(url, reply):
                body += chunk
                if len(body) > MAX_BODY:
                    raise Unavailable(f"cannot use {url}: it has more than {MAX_BODY} bytes")
            return Answer(body, reply.headers)

    return _tried(ask)


def sha256(session: requests.Session, url: str) -> str:
    """The SHA-256 (hex) of what a URL gives, of any size.

    Raises:
        Unavailable: it cannot be fetched whole.
    """

    def ask() -> str:
        digest = hashlib.sha256()
        with _opened(session, url) as reply:
            for chunk in _chunks(url, reply):
                digest.update(chunk)
        return digest.hexdigest()

    return _tried(ask)


def side_by_side(ask: Callable[[_Item], _T], items: Iterable[_Item]) -> list[_T]:
    """The answers for all items, in their order, a few asked for at the same time.

    Whoever interrupts does not wait for a server that says nothing: the threads are daemons, which
    those of :mod:`concurrent.futures` are not.
    """
    waiting: queue.SimpleQueue[tuple[_Item, Future[_T]]] = queue.SimpleQueue()
    answers: list[Future[_T]] = []
    for item in items:
        answers.append(Future())
        waiting.put((item, answers[-1]))

    def work() -> None:
        while not waiting.empty():
            try:
                item, answer = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                answer.set_result(ask(item))
            except BaseException as error:  # noqa: BLE001 - raised where the answer is taken
                answer.set_exception(error)

    for _ in range(min(PARALLEL, len(answers))):
        threading.Thread(target=work, daemon=True).start()
    return [answer.result() for answer in answers]


def _tried(ask: Callable[[], _T]) -> _T:
    """The answer of one of a few tries."""
    for pause in PAUSES:
        try:
            return ask()
        except _Passing:
            time.sleep(pause)
    try:
        return ask()
    except _Passing as error:
        raise Unavailable(f"{error} (tried {len(PAUSES) + 1} times)", error.hint) from None


@contextmanager
def _opened(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> Iterator[requests.Response]:
    """A good response whose body is still to be read."""
    with _plain_words(url):
        reply = session.get(url, headers=headers, params=params, timeout=TIMEOUT, stream=True)
    with reply:
        insecure = [hop.url for hop in (*reply.history, reply) if not hop.url.startswith("https:")]
        if url.startswith("https:") and insecure:
            raise Unavailable(
                f"cannot use {url}: it leads to {insecure[0]}, which anybody can forge"
            )
        if reply.status_code == requests.codes.unauthorized:
            raise Denied(url, reply.headers.get("WWW-Authenticate", ""))
        if not reply.ok:
            kind = _Passing if reply.status_code in _PASSING else Unavailable
            message = f"cannot fetch {url}: HTTP {reply.status_code} {reply.reason or ''}".rstrip()
            raise kind(message, _HINTS.get(reply.status_code, ""))
        yield reply


def _chunks(url: str, reply: requests.Response) -> Iterator[bytes]:
    """The body in parts, as it was sent."""
    end = time.monotonic() + LONGEST
    with _plain_words(url):
        # What has come so far: waiting for full chunks could take for ever, byte by byte.
        while chunk := reply.raw.read1(_CHUNK, decode_content=False):
            yield chunk
            if time.monotonic() > end:
                raise Unavailable(f"cannot fetch {url}: it is not complete after {LONGEST} s")


@contextmanager
def _plain_words(url: str) -> Iterator[None]:
    """Failures of requests and urllib3 as ours."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        message = f"cannot fetch {url}: TLS failed: {_reason(error)}"
        raise Unavailable(message, _OWN_AUTHORITY) from None
    except requests.exceptions.ProxyError as error:
        message = f"cannot fetch {url}: the proxy failed: {_reason(error)}"
        raise _Passing(message, "see HTTPS_PROXY, HTTP_PROXY and NO_PROXY") from None
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.HTTPError,
    ) as error:
        raise _Passing(f"cannot fetch {url}: {_reason(error)}") from None
    except requests.RequestException as error:
        raise Unavailable(f"cannot fetch {url}: {_reason(error)}") from None


_OWN_AUTHORITY = "if an authority of your own signs there, name it: REQUESTS_CA_BUNDLE=FILE"
_HINTS = {
    403: "the server does not want you: is a mirror or a proxy between?",
    404: "is there such a version? A mirror must serve MIRROR/HOST/PATH for https://HOST/PATH",
}
_INNERMOST = (
    re.compile(r"certificate verify failed: ([^(\"']*[^(\"' ])"),
    re.compile(r"\[Errno [^\]]*\] ?([^'\")]*[^'\") ])"),
    re.compile(r"((?:Read |Connection |Connect )?timed out)"),
    re.compile(r"((?:IncompleteRead|Connection broken|Remote end closed)[^'\"]*[^'\", (])"),
)


def _reason(error: Exception) -> str:
    """The innermost reason of an error, without its chain of wrappers."""
    text = str(error)
    for pattern in _INNERMOST:
        found = pattern.search(text)
        if found:
            return found.group(1)
    return text
