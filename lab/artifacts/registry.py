# SPDX-License-Identifier: Apache-2.0
"""Write images into the storage of an image registry, without a running registry.

The layout is that of the file system driver of the CNCF distribution (registry/storage/paths.go),
unchanged since 2015: blobs by digest, and small files in each repository that refer to them.
`check.sh` pulls every image from this storage through a real registry.
"""

from collections.abc import Iterable
from pathlib import Path

from lab.artifacts.images import Blob


def add_image(
    storage: Path, repository: str, tags: Iterable[str], manifest: Blob, blobs: Iterable[Blob]
) -> None:
    """Add an image under all of its tags.

    Args:
        storage: the `rootdirectory` of the registry.
        repository: the name without host and tag, such as `coredns/coredns`.
        tags: the tags of the image.
        manifest: the manifest of the image.
        blobs: the blobs to which the manifest refers.
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
