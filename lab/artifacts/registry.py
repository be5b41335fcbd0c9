# SPDX-License-Identifier: Apache-2.0
"""Write images into the storage of an image registry, as the registry itself keeps them.

The layout is that of the CNCF distribution's file system driver (registry/storage/paths.go), on
disk unchanged since 2015: blobs by digest, and in each repository small files that link to them.
Writing it needs no running registry; `check-registry.sh` pulls every image from it by a real one.
"""

from collections.abc import Iterable
from pathlib import Path

from lab.artifacts.images import Blob


def add_image(
    storage: Path, repository: str, tags: Iterable[str], manifest: Blob, blobs: Iterable[Blob]
) -> None:
    """Add an image under all of its tags.

    Args:
        storage: the registry's `rootdirectory`.
        repository: the name without host and tag, such as `coredns/coredns`.
        tags: the names within the repository.
        manifest: the image.
        blobs: what the manifest refers to.
    """
    base = storage / "docker/registry/v2"
    home = base / "repositories" / repository
    for blob in [manifest, *blobs]:
        data = base / "blobs/sha256" / _hex(blob)[:2] / _hex(blob) / "data"
        data.parent.mkdir(parents=True, exist_ok=True)
        data.write_bytes(blob.data)
    for blob in blobs:
        _link(home / "_layers/sha256" / _hex(blob), blob)
    _link(home / "_manifests/revisions/sha256" / _hex(manifest), manifest)
    for tag in tags:
        _link(home / "_manifests/tags" / tag / "current", manifest)
        _link(home / "_manifests/tags" / tag / "index/sha256" / _hex(manifest), manifest)


def _hex(blob: Blob) -> str:
    return blob.digest.removeprefix("sha256:")


def _link(folder: Path, blob: Blob) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link").write_text(blob.digest, encoding="ascii")
