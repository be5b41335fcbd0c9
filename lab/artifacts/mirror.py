# SPDX-License-Identifier: Apache-2.0
"""Arrange built files as upstream publishes them: `<host>/<path>`, with checksum files.

Archives are identical, byte for byte, for the same files (fixed times, owners and order). They use
gzip without compression, which unpacks several times faster on the nodes, which share two cores,
and does not depend on the version of zlib.
"""

import gzip
import hashlib
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.artifacts.recipes import Component, Release, expand

FORMAT = "1"  # increase it when the tree of unchanged recipes changes


def lay_out(built: Sequence[tuple[Component, Path]], tree: Path) -> None:
    """Create the file tree of the mirror in the empty directory `tree`."""
    folders = {component.name: folder for component, folder in built}
    for component, _ in built:
        for release in component.releases:
            files = [_find(folders, component.name, name) for name in release.files]
            for path, published in _publish(release, files, tree).items():
                if release.checksums:
                    _add_checksum(release, path, published, tree)


def _find(folders: Mapping[str, Path], component: str, file: str) -> Path:
    """Return the path of a file of a release: of the component, or of the one in its name."""
    owner, _, name = file.rpartition("/")
    return folders[owner or component] / name


def _publish(release: Release, files: Sequence[Path], tree: Path) -> dict[str, Path]:
    """Add the files of a release to the tree; return upstream paths and files."""
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
    """Write a reproducible .tar.gz of `members` (name in the archive → file)."""
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
    """Append the digest of a published file to the checksum file of the release."""
    with published.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    text = digest if release.checksum_style == "bare" else f"{digest}  {published.name}\n"
    with _place(tree, expand(release.checksums, {"path": path})).open(
        "a", encoding="ascii"
    ) as sums:
        sums.write(text)


def _place(tree: Path, path: str) -> Path:
    """Return the file in the tree for an upstream path; create its directory."""
    target = tree / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
