# SPDX-License-Identifier: Apache-2.0
"""Edge: resolves artifacts and images to checksums, and compares them with a lock.

Checksums are those in upstream's checksum files. If upstream publishes none, the file itself is
fetched and hashed, with a notice. Digests of images are those of the registry. A mirror or registry
in ``cluster.yaml`` is used instead of upstream.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import requests

from heatgen.blocks.catalog import Catalog
from heatgen.blocks.pins import Pins
from heatgen.blocks.references import artifact_url, artifact_urls, image_references, option_text
from heatgen.project import http
from heatgen.project.http import Unavailable
from heatgen.spec.block_selection import artifact_versions, group_blocks, used_blocks
from heatgen.spec.model import Artifacts, Spec
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DOCKER_HUB = {"docker.io": "registry-1.docker.io"}
"""API host of the registry whose API is not at the host in its image references."""
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SHOWN = 5
"""Number of names of a checksum file in a message."""


@dataclass(frozen=True)
class PinRequest:
    """An artifact or image that a spec requires in the lock."""

    name: str
    """Upstream's URL of an artifact, or an image's reference."""
    image: bool
    checksums: str
    """URL of upstream's checksum file, or ''."""
    owner: str
    """Description for messages: ``artifact 'kubelet' of orchestration/kubernetes``."""

    @property
    def file(self) -> str:
        """Last part of the name."""
        return self.name.rpartition("/")[2]

    def source(self, artifacts: Artifacts) -> str:
        """Return the URL of the checksum file, of the manifest, or of the artifact itself."""
        if not self.image:
            return artifact_url(self.checksums or self.name, artifacts.mirror)
        host, _, rest = self.name.partition("/")
        repository, _, tag = rest.rpartition(":")
        base = artifacts.registry or f"https://{_DOCKER_HUB.get(host, host)}"
        return f"{base}/v2/{repository}/manifests/{tag}"


@dataclass(frozen=True)
class Resolution:
    """Current checksums and digests, and problems."""

    pins: Pins
    problems: tuple[Problem, ...]
    """One for each source without a usable response."""


def pin_requests(spec: Spec, catalog: Catalog) -> tuple[PinRequest, ...]:
    """Return the artifacts and images of all blocks that a spec uses, sorted by name."""
    found: dict[str, PinRequest] = {}
    for block in used_blocks(group_blocks(spec, catalog)):
        options = spec.options_of(block)
        for name, reference in image_references(block, options).items():
            owner = f"image {name!r} of {block.layer}/{block.name}"
            found.setdefault(reference, PinRequest(reference, True, "", owner))
        for of_version, names in artifact_versions(spec, block):
            urls = artifact_urls(block, of_version)
            for name in names:
                checksums = option_text(block.artifacts[name].checksums, of_version)
                owner = f"artifact {name!r} of {block.layer}/{block.name}"
                found.setdefault(urls[name], PinRequest(urls[name], False, checksums, owner))
    return tuple(found[name] for name in sorted(found))


def resolve(spec: Spec, items: Iterable[PinRequest], notice: Callable[[str], None]) -> Resolution:
    """Request checksums and digests from upstream, or from mirror and registry, in parallel.

    Args:
        spec: defines the mirror and the registry, if any.
        items: artifacts and images to resolve.
        notice: called with a message for each file that is hashed locally.
    """
    items = tuple(items)
    session = http.session()

    def resolved(item: PinRequest) -> str | Problem:
        source = item.source(spec.artifacts)
        try:
            if item.image:
                return _digest(session, source)
            if item.checksums:
                return _published_sum(session, source, item.file)
            found = http.sha256(session, source)
            notice(f"{item.file}: upstream publishes no checksum; computed it from {source}")
            return found
        except Unavailable as error:
            return Problem(item.name, None, str(error), error.hint, code=error.code)

    results = list(zip(items, http.run_parallel(resolved, items), strict=True))
    pinned = [(item, value) for item, value in results if isinstance(value, str)]
    return Resolution(
        Pins(
            {item.name: value for item, value in pinned if not item.image},
            {item.name: value for item, value in pinned if item.image},
        ),
        tuple(value for _, value in results if isinstance(value, Problem)),
    )


def changed(
    pinned: Pins, now: Pins, items: Iterable[PinRequest], artifacts: Artifacts, update: str
) -> list[Problem]:
    """Return problems for files whose current checksum differs from the lock.

    Args:
        pinned: the lock.
        now: current checksums and digests.
        items: artifacts and images that were resolved.
        artifacts: mirror and registry that were used.
        update: command that accepts the new checksums.
    """
    hint = (
        f"released files should not change: find out why before you accept the change with "
        f"'{update}'"
    )
    return [
        pinned.problem(
            item.name,
            f"{item.file} ({item.owner}) has changed: the lock has {pinned.every[item.name]}, "
            f"{item.source(artifacts)} has {now.every[item.name]}",
            hint,
            code=Code.CHECKSUM_CHANGED,
        )
        for item in items
        if item.name in now.every
        and pinned.every.get(item.name, now.every[item.name]) != now.every[item.name]
    ]


def outdated(pinned: Pins, items: Iterable[PinRequest], command: str) -> list[Problem]:
    """Return problems for missing and unused lock entries.

    Args:
        pinned: the lock.
        items: artifacts and images that the cluster uses.
        command: command that updates the lock.
    """
    names = {item.name: item for item in items}
    hint = f"run '{command}'"
    missing = [
        pinned.problem(
            name, f"{name} ({item.owner}) is not in the lock", hint, code=Code.INCOMPLETE_LOCK
        )
        for name, item in names.items()
        if name not in pinned.every
    ]
    unused = [
        pinned.problem(
            name, f"{name} is not used by this cluster", hint, code=Code.UNUSED_LOCK_ENTRY
        )
        for name in pinned.every
        if name not in names
    ]
    return missing + unused


def checksum(text: str, name: str) -> str | None:
    """Return the SHA-256 of a file in a checksum file: bare hex, or lines "hex  name"."""
    for found, file in _sums(text):
        if file in ("", name):
            return found
    return None


def _sums(text: str) -> list[tuple[str, str]]:
    """Return the checksums in a checksum file with their file names, '' for bare ones."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if words and _SHA256.match(words[0].lower()):
            name = words[1].lstrip("*").rpartition("/")[2] if len(words) > 1 else ""
            found.append((words[0].lower(), name))
    return found


def _published_sum(session: requests.Session, url: str, file: str) -> str:
    text = http.get(session, url).body.decode("utf-8", "replace")
    found = checksum(text, file)
    if found is None:
        names = [name for _, name in _sums(text)]
        listed = ", ".join([*names[:_SHOWN], *(["..."] if len(names) > _SHOWN else [])])
        hint = f"it lists {listed}" if listed else "it is not a checksum file"
        message = f"{url} has no SHA-256 of {file}"
        raise Unavailable(message, hint, Code.CHECKSUM_NOT_FOUND)
    return found


def _digest(session: requests.Session, url: str) -> str:
    """Return the digest of a manifest, by the registry's API (OCI distribution specification)."""
    headers = {"Accept": ", ".join(MANIFESTS)}
    try:
        response = http.get(session, url, headers)
    except http.Denied as denied:
        repository = url.partition("/v2/")[2].partition("/manifests/")[0]
        token = _token(session, denied, f"repository:{repository}:pull")
        response = http.get(session, url, {**headers, "Authorization": f"Bearer {token}"})
    found = "sha256:" + hashlib.sha256(response.body).hexdigest()
    reported = response.headers.get("Docker-Content-Digest", found)
    if reported != found:
        message = f"{url}: the registry reports {reported}, but the manifest has {found}"
        raise Unavailable(message, code=Code.DOWNLOAD_REJECTED)
    return found


def _token(session: requests.Session, denied: http.Denied, scope: str) -> str:
    """Return an anonymous token, which public registries require (Bearer challenge).

    Args:
        session: the session.
        denied: the response of the registry, which may also offer other kinds of logins.
        scope: scope of the token, if the challenge has none.
    """
    offered = re.split(r"\bbearer ", denied.challenge, maxsplit=1, flags=re.IGNORECASE)[1:]
    pairs = re.findall(r'(\w+)="?([^",]*)"?', offered[0] if offered else "")
    # Fields of a following challenge come last.
    fields = {"scope": scope, **dict(reversed(pairs))}
    realm = fields.pop("realm", "")
    if not realm:
        raise denied
    body = http.get(session, realm, params=fields).body
    try:
        data = json.loads(body)
        return str(data.get("token") or data["access_token"])
    except (ValueError, KeyError, AttributeError):
        raise Unavailable(f"{realm} returned no token") from None
