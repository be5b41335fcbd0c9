# SPDX-License-Identifier: Apache-2.0
"""Edge: finds out which bytes upstream's names stand for.

Checksums come from upstream's published checksum files. Where upstream publishes none, the file
itself is fetched and hashed, and that is said. Digests of images come from the registry. With a
mirror or registry in ``cluster.yaml`` these are asked instead of upstream. Nothing is ever guessed.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import requests

from heatgen import inputs
from heatgen.catalog import Artefact, Catalog
from heatgen.pins import Pins
from heatgen.problems import Problem, ProblemsFound
from heatgen.spec import Spec, group_blocks, used_blocks

TIMEOUT = (10, 60)
"""Seconds to connect, and between two bytes."""
PARALLEL = 8
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_CHUNK = 1024 * 1024
_T = TypeVar("_T")


class Unavailable(Exception):
    """A source gave no answer that can be used; the text says which and why."""


@dataclass(frozen=True)
class Wanted:
    """What a spec needs pinned."""

    artefacts: tuple[Artefact, ...]
    """With options filled in."""
    images: tuple[str, ...]


def wanted(spec: Spec, catalog: Catalog) -> Wanted:
    """Artefacts and images of all blocks that a spec uses, those of all groups among them."""
    artefacts: dict[str, Artefact] = {}
    images: set[str] = set()
    for block in used_blocks(group_blocks(spec, catalog)):
        options = inputs.options_of(spec, block)
        images.update(inputs.image_references(block, options).values())
        for name, url in inputs.artefact_urls(block, options).items():
            checksums = inputs.option_text(block.artefacts[name].checksums, options)
            artefacts[url] = Artefact(url, checksums)
    return Wanted(tuple(artefacts[url] for url in sorted(artefacts)), tuple(sorted(images)))


def resolve(spec: Spec, catalog: Catalog, notice: Callable[[str], None]) -> Pins:
    """Ask upstream, or the mirror, for all sums and digests.

    Args:
        spec: names the mirror and the registry, if any.
        catalog: the blocks.
        notice: is told, in one sentence, of each file that had to be hashed here.

    Raises:
        ProblemsFound: with every source that gave no answer.
    """
    needed = wanted(spec, catalog)
    session = requests.Session()

    def artefact(item: Artefact) -> str:
        return _artefact_sum(session, item, spec.artifacts.mirror, notice)

    def image(reference: str) -> str:
        return _image_digest(session, reference, spec.artifacts.registry)

    with ThreadPoolExecutor(PARALLEL) as pool:
        sums = pool.map(_answer(artefact), needed.artefacts)
        digests = pool.map(_answer(image), needed.images)
        artefacts = dict(zip((item.url for item in needed.artefacts), sums, strict=True))
        images = dict(zip(needed.images, digests, strict=True))
    _refuse_missing([*artefacts.items(), *images.items()])
    return Pins(
        {url: answer.value for url, answer in artefacts.items()},
        {reference: answer.value for reference, answer in images.items()},
    )


def checksum(text: str, name: str) -> str | None:
    """The SHA-256 of a file in a checksum file: bare hex, or lines "hex  name"."""
    for line in text.splitlines():
        words = line.split()
        if not words or not _SHA256.match(words[0].lower()):
            continue
        if len(words) == 1 or words[1].lstrip("*").rpartition("/")[2] == name:
            return words[0].lower()
    return None


@dataclass(frozen=True)
class _Answer:
    value: str
    error: str


def _answer(ask: Callable[[_T], str]) -> Callable[[_T], _Answer]:
    """The same question, with its failure as an answer, so that all are told at once."""

    def asked(item: _T) -> _Answer:
        try:
            return _Answer(ask(item), "")
        except Unavailable as error:
            return _Answer("", str(error))

    return asked


def _refuse_missing(answers: Iterable[tuple[str, _Answer]]) -> None:
    problems = [Problem(name, None, answer.error) for name, answer in answers if answer.error]
    if problems:
        raise ProblemsFound(problems)


def _artefact_sum(
    session: requests.Session, item: Artefact, mirror: str, notice: Callable[[str], None]
) -> str:
    name = item.url.rpartition("/")[2]
    if item.checksums:
        url = inputs.artefact_url(item.checksums, mirror)
        found = checksum(_get(session, url).text, name)
        if found is None:
            raise Unavailable(f"{url} has no SHA-256 of {name}")
        return found
    url = inputs.artefact_url(item.url, mirror)
    digest = hashlib.sha256()
    for chunk in _get(session, url, stream=True).iter_content(_CHUNK):
        digest.update(chunk)
    notice(f"{name}: upstream publishes no checksum; hashed what {url} gave")
    return digest.hexdigest()


def _image_digest(session: requests.Session, reference: str, registry: str) -> str:
    """The digest of a tag, by the registry's API (OCI distribution specification)."""
    host, _, rest = reference.partition("/")
    repository, _, tag = rest.rpartition(":")
    base = registry or f"https://{host}"
    url = f"{base}/v2/{repository}/manifests/{tag}"
    reply = _get(session, url, headers={"Accept": ", ".join(MANIFESTS)})
    found = "sha256:" + hashlib.sha256(reply.content).hexdigest()
    told = reply.headers.get("Docker-Content-Digest", found)
    if told != found:
        raise Unavailable(f"{url}: the registry says {told}, but its manifest is {found}")
    return found


def _get(
    session: requests.Session,
    url: str,
    headers: dict[str, str] | None = None,
    *,
    stream: bool = False,
) -> requests.Response:
    try:
        reply = session.get(url, headers=headers, timeout=TIMEOUT, stream=stream)
    except requests.RequestException as error:
        raise Unavailable(f"cannot fetch {url}: {_reason(error)}") from None
    if reply.status_code == requests.codes.unauthorized and "WWW-Authenticate" in reply.headers:
        return _get_with_token(session, url, headers or {}, reply.headers["WWW-Authenticate"])
    if not reply.ok:
        raise Unavailable(f"cannot fetch {url}: HTTP {reply.status_code} {reply.reason}")
    return reply


def _get_with_token(
    session: requests.Session, url: str, headers: dict[str, str], challenge: str
) -> requests.Response:
    """The same with an anonymous token, as public registries want it (Bearer challenge)."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.pop("realm", "")
    if not challenge.lower().startswith("bearer ") or not realm:
        raise Unavailable(f"cannot fetch {url}: it wants a login")
    try:
        answer = session.get(realm, params=fields, timeout=TIMEOUT)
        answer.raise_for_status()
        token = answer.json().get("token") or answer.json().get("access_token")
        reply = session.get(
            url, headers={**headers, "Authorization": f"Bearer {token}"}, timeout=TIMEOUT
        )
        reply.raise_for_status()
    except (requests.RequestException, ValueError) as error:
        raise Unavailable(f"cannot fetch {url}: {_reason(error)}") from None
    return reply


def _reason(error: Exception) -> str:
    """The innermost reason of a requests error, without its chain of wrappers."""
    text = str(error)
    found = re.search(r"(\[Errno[^\]]*\][^'\")]*|Read timed out|timed out)", text)
    return found.group(1).strip() if found else text
