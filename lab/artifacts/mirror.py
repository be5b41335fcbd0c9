# SPDX-License-Identifier: Apache-2.0
"""Lay out built files as upstream publishes them: `<host>/<path>`, with its checksum files.

Archives are the same, byte for byte, for the same files: fixed times, owners and order. They are
stored, not compressed: gzip without compression unpacks several times faster on the nodes, which
share two cores, and does not depend on the version of zlib.
"""

import gzip
import hashlib
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.artifacts.recipes import Component, Release, expand

FORMAT = "1"  # raise it when the same recipe is to be laid out in another way


def lay_out(built: Sequence[tuple[Component, Path]], tree: Path) -> None:
    """Make the mirror's tree in the empty folder `tree` from components and their built files."""
    folders = {component.name: folder for component, folder in built}
    for component, _ in built:
        for release in component.releases:
            files = [_find(folders, component.name, name) for name in release.files]
            for path, published in _publish(release, files, tree).items():
                if release.checksums:
                    _add_checksum(release, path, published, tree)


def _find(folders: Mapping[str, Path], component: str, file: str) -> Path:
    """Where a release's file lies: in its own component's folder, or in the one it names."""
    lender, _, name = file.rpartition("/")
    return folders[lender or component] / name


def _publish(release: Release, files: Sequence[Path], tree: Path) -> dict[str, Path]:
    """Put the files of a release into the tree; return its paths and where they lie."""
    if release.is_archive:
        target = _place(tree, release.path)
        pack({release.prefix + file.name: file for file in files}, target)
        return {release.path: target}
    published = {}
    for file in files:
        path = expand(release.path, {"file": file.name})
        published[path] = _place(tree, path)
        os.link(file, published[path])
    return published


def pack(members: Mapping[str, Path], archive: Path) -> None:
    """Write a .tar.gz of `members` (name in the archive → file), the same for the same content."""
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=0, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name in sorted(members):
            file = members[name]
            entry = tarfile.TarInfo(name)
            entry.size = file.stat().st_size
            entry.mode = file.stat().st_mode & 0o777
            with file.open("rb") as content:
                tar.addfile(entry, content)


def _add_checksum(release: Release, path: str, published: Path, tree: Path) -> None:
    """Append the digest of a published file to the release's checksum file."""
    with published.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    text = digest if release.checksum_style == "bare" else f"{digest}  {published.name}\n"
    with _place(tree, expand(release.checksums, {"path": path})).open(
        "a", encoding="ascii"
    ) as sums:
        sums.write(text)


def _place(tree: Path, path: str) -> Path:
    """The file of the tree for an upstream path, its folder made."""
    target = tree / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
