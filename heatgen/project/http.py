# SPDX-License-Identifier: Apache-2.0
"""Edge: HTTP requests with limits on time, attempts and size, and readable error messages.

Proxies and authorities are configured in the environment: ``HTTPS_PROXY``, ``HTTP_PROXY``,
``NO_PROXY``, ``REQUESTS_CA_BUNDLE``.
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
from heatgen.yamlio.codes import Code

PARALLEL = 8
"""Maximum number of concurrent requests."""
TIMEOUT = (10, 30)
"""Timeouts of connecting, and between two bytes, in seconds."""
MAX_DURATION = 1800
"""Limit for one response, in seconds."""
PAUSES = (0.5, 2.0)
"""Seconds before the second attempt and the third, which is the last."""
MAX_BODY = 4 * 1024 * 1024
"""Limit of responses that are read into memory (checksum files, manifests), in bytes."""

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the request is retried."""
_CHUNK = 1024 * 1024
_T = TypeVar("_T")
_Item = TypeVar("_Item")


class Unavailable(Exception):
    """A source returned no usable response."""

    def __init__(self, message: str, hint: str = "", code: Code = Code.DOWNLOAD_FAILED) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class _Transient(Unavailable):
    """A failure that a retry may resolve."""


class Denied(Unavailable):
    """The server requires authentication (HTTP 401)."""

    def __init__(self, url: str, challenge: str) -> None:
        super().__init__(f"cannot fetch {url}: the server requires a login")
        self.challenge = challenge


@dataclass(frozen=True)
class Response:
    """Body and headers of a response."""

    body: bytes
    headers: Mapping[str, str]


def session() -> requests.Session:
    """Return a session for all requests of a run."""
    created = requests.Session()
    # Without content encoding, because nodes do not decode downloads either.
    created.headers.update({"User-Agent": f"heatgen/{VERSION}", "Accept-Encoding": "identity"})
    return created


def get(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> Response:
    """Return a small response.

    Raises:
        Denied: the server requires authentication.
        Unavailable: the request failed.
    """

    def request() -> Response:
        with _open(session, url, headers, params) as response:
            body = b""
            for chunk in _chunks(url, response):
                body += chunk
                if len(body) > MAX_BODY:
                    message = f"cannot use {url}: it is larger than {MAX_BODY} bytes"
                    raise Unavailable(message, code=Code.DOWNLOAD_REJECTED)
            return Response(body, response.headers)

    return _retry(request)


def sha256(session: requests.Session, url: str) -> str:
    """Return the SHA-256 (hex) of a file of any size.

    Raises:
        Unavailable: the file cannot be fetched completely.
    """

    def request() -> str:
        digest = hashlib.sha256()
        with _open(session, url) as response:
            for chunk in _chunks(url, response):
                digest.update(chunk)
        return digest.hexdigest()

    return _retry(request)


def run_parallel(function: Callable[[_Item], _T], items: Iterable[_Item]) -> list[_T]:
    """Call a function for all items, with limited concurrency; return the results in order.

    Daemon threads do not delay an interrupt while servers are silent; those of
    :mod:`concurrent.futures` do.
    """
    waiting: queue.SimpleQueue[tuple[_Item, Future[_T]]] = queue.SimpleQueue()
    futures: list[Future[_T]] = []
    for item in items:
        futures.append(Future())
        waiting.put((item, futures[-1]))

    def work() -> None:
        while not waiting.empty():
            try:
                item, future = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                future.set_result(function(item))
            except BaseException as error:  # noqa: BLE001 - raised by future.result()
                future.set_exception(error)

    for _ in range(min(PARALLEL, len(futures))):
        threading.Thread(target=work, daemon=True).start()
    return [future.result() for future in futures]


def _retry(request: Callable[[], _T]) -> _T:
    """Return the result of a request, retried after transient failures."""
    for pause in PAUSES:
        try:
            return request()
        except _Transient:
            time.sleep(pause)
    try:
        return request()
    except _Transient as error:
        message = f"{error} (tried {len(PAUSES) + 1} times)"
        raise Unavailable(message, error.hint, error.code) from None


@contextmanager
def _open(
    session: requests.Session,
    url: str,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
) -> Iterator[requests.Response]:
    """Yield a successful response whose body is not read yet."""
    with _converted_errors(url):
        response = session.get(url, headers=headers, params=params, timeout=TIMEOUT, stream=True)
    with response:
        hops = (*response.history, response)
        insecure = [hop.url for hop in hops if not hop.url.startswith("https:")]
        if url.startswith("https:") and insecure:
            message = f"cannot use {url}: it redirects to {insecure[0]}, which is not encrypted"
            raise Unavailable(message, code=Code.DOWNLOAD_REJECTED)
        if response.status_code == requests.codes.unauthorized:
            raise Denied(url, response.headers.get("WWW-Authenticate", ""))
        if not response.ok:
            kind = _Transient if response.status_code in _TRANSIENT else Unavailable
            status = f"HTTP {response.status_code} {response.reason or ''}".rstrip()
            raise kind(f"cannot fetch {url}: {status}", _HINTS.get(response.status_code, ""))
        yield response


def _chunks(url: str, response: requests.Response) -> Iterator[bytes]:
    """Yield the body in parts, without decoding."""
    end = time.monotonic() + MAX_DURATION
    with _converted_errors(url):
        # Available bytes only: full chunks could take longer than the limit.
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            yield chunk
            if time.monotonic() > end:
                raise Unavailable(f"cannot fetch {url}: not complete after {MAX_DURATION} s")


@contextmanager
def _converted_errors(url: str) -> Iterator[None]:
    """Convert exceptions of requests and urllib3."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        message = f"cannot fetch {url}: TLS failed: {_reason(error)}"
        raise Unavailable(message, _TLS_HINT) from None
    except requests.exceptions.ProxyError as error:
        message = f"cannot fetch {url}: the proxy failed: {_reason(error)}"
        raise _Transient(message, "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY") from None
    except (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.HTTPError,
    ) as error:
        raise _Transient(f"cannot fetch {url}: {_reason(error)}") from None
    except requests.RequestException as error:
        raise Unavailable(f"cannot fetch {url}: {_reason(error)}") from None


_TLS_HINT = "set REQUESTS_CA_BUNDLE=FILE if the certificate is signed by a private authority"
_HINTS = {
    403: "check the permissions of the mirror or proxy",
    404: "check the version; a mirror must provide https://HOST/PATH as MIRROR/HOST/PATH",
}
_INNERMOST = (
    re.compile(r"certificate verify failed: ([^(\"']*[^(\"' ])"),
    re.compile(r"\[Errno [^\]]*\] ?([^'\")]*[^'\") ])"),
    re.compile(r"((?:Read |Connection |Connect )?timed out)"),
    re.compile(r"((?:IncompleteRead|Connection broken|Remote end closed)[^'\"]*[^'\", (])"),
)


def _reason(error: Exception) -> str:
    """Return the innermost reason of an error, without those of its wrappers."""
    text = str(error)
    for pattern in _INNERMOST:
        found = pattern.search(text)
        if found:
            return found.group(1)
    return text
