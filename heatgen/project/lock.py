# SPDX-License-Identifier: Apache-2.0
"""Edge: finds out which bytes upstream's names stand for, and where a lock no longer agrees.

Checksums come from upstream's published checksum files. Where upstream publishes none, the file
itself is fetched and hashed, and that is said. Digests of images come from the registry. With a
mirror or registry in ``cluster.yaml`` these are asked instead of upstream. Nothing is ever guessed.
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
from heatgen.spec.block_selection import group_blocks, used_blocks
from heatgen.spec.model import Artifacts, Spec
from heatgen.yamlio.problems import Problem

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DOCKER_HUB = {"docker.io": "registry-1.docker.io"}
"""The one registry whose API is not where its images' names say."""
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SHOWN = 5
"""Names of a checksum file that a message shows."""


@dataclass(frozen=True)
class Wanted:
    """Something that a spec needs pinned."""

    name: str
    """Upstream's URL of an artifact, or an image's reference."""
    image: bool
    checksums: str
    """URL of upstream's checksum file; '' if there is none."""
    owner: str
    """For people: ``artifact 'kubelet' of orchestration/kubernetes``."""

    @property
    def file(self) -> str:
        """What people call it: the last part of its name."""
        return self.name.rpartition("/")[2]

    def source(self, artifacts: Artifacts) -> str:
        """URL that tells its sum: of the checksum file, the manifest, or the artifact itself."""
        if not self.image:
            return artifact_url(self.checksums or self.name, artifacts.mirror)
        host, _, rest = self.name.partition("/")
        repository, _, tag = rest.rpartition(":")
        base = artifacts.registry or f"https://{_DOCKER_HUB.get(host, host)}"
        return f"{base}/v2/{repository}/manifests/{tag}"


@dataclass(frozen=True)
class Answers:
    """What the sources say now, and what they do not."""

    pins: Pins
    problems: tuple[Problem, ...]
    """One for each source that gave no answer."""


def wanted(spec: Spec, catalog: Catalog) -> tuple[Wanted, ...]:
    """What all blocks that a spec uses want, those of all groups among them; sorted by name."""
    found: dict[str, Wanted] = {}
    for block in used_blocks(group_blocks(spec, catalog)):
        options = spec.options_of(block)
        for name, reference in image_references(block, options).items():
            owner = f"image {name!r} of {block.layer}/{block.name}"
            found.setdefault(reference, Wanted(reference, True, "", owner))
        for name, url in artifact_urls(block, options).items():
            checksums = option_text(block.artifacts[name].checksums, options)
            owner = f"artifact {name!r} of {block.layer}/{block.name}"
            found.setdefault(url, Wanted(url, False, checksums, owner))
    return tuple(found[name] for name in sorted(found))


def ask(spec: Spec, items: Iterable[Wanted], notice: Callable[[str], None]) -> Answers:
    """Ask upstream, or the mirror and the registry, for sums and digests; all at the same time.

    Args:
        spec: names the mirror and the registry, if any.
        items: what to ask for.
        notice: is told, in one sentence, of each file that had to be hashed here.
    """
    items = tuple(items)
    session = http.session()

    def answer(item: Wanted) -> str | Problem:
        source = item.source(spec.artifacts)
        try:
            if item.image:
                return _digest(session, source)
            if item.checksums:
                return _published_sum(session, source, item.file)
            found = http.sha256(session, source)
            notice(f"{item.file}: upstream publishes no checksum; hashed what {source} gave")
            return found
        except Unavailable as error:
            return Problem(item.name, None, str(error), error.hint)

    answers = list(zip(items, http.side_by_side(answer, items), strict=True))
    good = [(item, value) for item, value in answers if isinstance(value, str)]
    return Answers(
        Pins(
            {item.name: value for item, value in good if not item.image},
            {item.name: value for item, value in good if item.image},
        ),
        tuple(value for _, value in answers if isinstance(value, Problem)),
    )


def changed(
    pinned: Pins, now: Pins, items: Iterable[Wanted], artifacts: Artifacts, update: str
) -> list[Problem]:
    """What has other bytes at its source than the lock says.

    Args:
        pinned: the lock.
        now: what the sources say.
        items: what was asked for.
        artifacts: where it was asked for.
        update: the command that takes the new bytes.
    """
    hint = (
        "a released file should never change: find out why before you trust it, "
        f"then take it with '{update}'"
    )
    return [
        pinned.problem(
            item.name,
            f"{item.file} ({item.owner}) has changed: the lock has {pinned.every[item.name]}, "
            f"{item.source(artifacts)} says {now.every[item.name]}",
            hint,
        )
        for item in items
        if item.name in now.every
        and pinned.every.get(item.name, now.every[item.name]) != now.every[item.name]
    ]


def stale(pinned: Pins, items: Iterable[Wanted], make: str) -> list[Problem]:
    """What a lock lacks for its cluster, and what it holds in vain.

    Args:
        pinned: the lock.
        items: what the cluster wants.
        make: the command that makes it good.
    """
    names = {item.name: item for item in items}
    lacking = [
        pinned.problem(name, f"lacks {name} ({item.owner})", f"run '{make}'")
        for name, item in names.items()
        if name not in pinned.every
    ]
    in_vain = [
        pinned.problem(name, f"{name} is not wanted by this cluster", f"run '{make}'")
        for name in pinned.every
        if name not in names
    ]
    return lacking + in_vain


def checksum(text: str, name: str) -> str | None:
    """The SHA-256 of a file in a checksum file: bare hex, or lines "hex  name"."""
    for found, file in _sums(text):
        if file in ("", name):
            return found
    return None


def _sums(text: str) -> list[tuple[str, str]]:
    """Sums of a checksum file with the names beside them, '' for a bare sum."""
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
        hint = f"it has those of {listed}" if listed else "it is not a checksum file"
        raise Unavailable(f"{url} has no SHA-256 of {file}", hint)
    return found


def _digest(session: requests.Session, url: str) -> str:
    """The digest of a manifest, by the registry's API (OCI distribution specification)."""
    headers = {"Accept": ", ".join(MANIFESTS)}
    try:
        answer = http.get(session, url, headers)
    except http.Denied as denied:
        token = _token(session, denied)
        answer = http.get(session, url, {**headers, "Authorization": f"Bearer {token}"})
    found = "sha256:" + hashlib.sha256(answer.body).hexdigest()
    told = answer.headers.get("Docker-Content-Digest", found)
    if told != found:
        raise Unavailable(f"{url}: the registry says {told}, but its manifest is {found}")
    return found


def _token(session: requests.Session, denied: http.Denied) -> str:
    """An anonymous token, as public registries want it (Bearer challenge)."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', denied.challenge))
    realm = fields.pop("realm", "")
    if not denied.challenge.lower().startswith("bearer ") or not realm:
        raise denied
    body = http.get(session, realm, params=fields).body
    try:
        data = json.loads(body)
        return str(data.get("token") or data["access_token"])
    except (ValueError, KeyError, AttributeError):
        raise Unavailable(f"{realm} gave no token") from None
