# SPDX-License-Identifier: Apache-2.0
"""Container images: read their recipes, create them from built files.

The recipe of an image is `images/<name>/recipe.toml`. The image has one layer, one configuration
and one manifest, all identical for the same content (fixed times, owners and order). The layer is
not compressed, because nodes pull it from the machine on which they run.
"""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.artifacts.recipes import Component, RecipeError, expand, from_table, read_toml

FORMAT = "1"  # increase it when the image of an unchanged recipe changes
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"

# File capabilities as the kernel stores them (struct vfs_cap_data, revision 2, little-endian,
# effective): capability N is bit N of the second word.
_CAPABILITY_BITS = {"cap_net_bind_service": 10}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One path in an image: exactly one of built, host, symlink, text, directory.

    Attributes:
        built: `component/name` of a built file.
        host: a file of this machine, from a Debian package of the image.
        applets: directory for a link to this file per applet that it lists (busybox).
        capability: a file capability, permitted and effective.
    """

    path: str
    built: str = ""
    host: str = ""
    symlink: str = ""
    text: str = ""
    directory: bool = False
    mode: int = 0o755
    applets: str = ""
    capability: str = ""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image and its names. `{version}` in tags is the version of the component `version_of`."""

    name: str
    repository: str
    tags: list[str]
    entries: list[Entry]
    entrypoint: list[str]
    command: list[str] = field(default_factory=list)
    user: str = ""
    path_variable: str = "/"
    ports: list[str] = field(default_factory=list)
    version_of: str = ""
    packages: list[str] = field(default_factory=list)

    @property
    def components(self) -> set[str]:
        """The names of the components whose files are in the image."""
        return {entry.built.partition("/")[0] for entry in self.entries if entry.built}


@dataclass(frozen=True)
class Blob:
    """A content-addressed piece of an image."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """The digest, as `sha256:<hexadecimal>`."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def descriptor(self) -> dict[str, Any]:
        """Return the reference to this blob (OCI image specification, descriptor)."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


def load_images(folder: Path, components: Mapping[str, Component]) -> list[Image]:
    """Read the recipes of all images, sorted by name.

    Raises:
        RecipeError: a recipe is invalid.
    """
    return [_load(path, components) for path in sorted(folder.glob("*/recipe.toml"))]


def _load(path: Path, components: Mapping[str, Component]) -> Image:
    table = read_toml(path)
    entries = table.get("entries", [])
    table["entries"] = [
        from_table(Entry, entry, f"{path}: entries[{i}]") for i, entry in enumerate(entries)
    ]
    image = from_table(Image, {**table, "name": path.parent.name}, str(path))
    for entry in image.entries:
        _check(entry, components, path)
    if image.version_of:
        values = {"version": components[image.version_of].version}
        image = from_table(
            Image, {**vars(image), "tags": [expand(tag, values) for tag in image.tags]}, str(path)
        )
    return image


def _check(entry: Entry, components: Mapping[str, Component], path: Path) -> None:
    kinds = [entry.built, entry.host, entry.symlink, entry.text, entry.directory]
    if sum(map(bool, kinds)) != 1:
        raise RecipeError(
            f"{path}: {entry.path!r} needs exactly one of built, host, symlink, text, directory"
        )
    component, _, name = entry.built.partition("/")
    if entry.built and (component not in components or name not in components[component].outputs):
        raise RecipeError(
            f"{path}: {entry.path!r} contains {entry.built!r}, which no component builds"
        )
    if entry.capability and entry.capability not in _CAPABILITY_BITS:
        raise RecipeError(f"{path}: {entry.path!r}: unknown capability {entry.capability!r}")


def make_image(image: Image, find_built: Callable[[str], Path]) -> tuple[Blob, list[Blob]]:
    """Create an image.

    Args:
        image: the recipe.
        find_built: returns the path of the built file `component/name`.

    Returns:
        The manifest, and the blobs it refers to: the configuration and the layer.
    """
    layer = Blob(LAYER_TYPE, _layer(image, find_built))
    settings = {
        "Entrypoint": image.entrypoint,
        "Cmd": image.command,
        "Env": [f"PATH={image.path_variable}"],
        "User": image.user,
        "WorkingDir": "/",
        "ExposedPorts": {port: {} for port in image.ports},
    }
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {key: value for key, value in settings.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
    }
    config_blob = Blob(CONFIG_TYPE, _json(config))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config_blob.descriptor(),
        "layers": [layer.descriptor()],
    }
    return Blob(MANIFEST_TYPE, _json(manifest)), [config_blob, layer]


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _layer(image: Image, find_built: Callable[[str], Path]) -> bytes:
    """Return the file system as a sorted tar archive, parent directories before their content."""
    entries = {entry.path.strip("/"): entry for entry in image.entries}
    for entry in image.entries:
        if entry.applets:
            for name in _applets(entry.host):
                link = f"{entry.applets.strip('/')}/{name}"
                entries.setdefault(link, Entry(path=link, symlink=entry.path))
    for path in list(entries):
        for parent in list(Path(path).parents)[:-1]:
            entries.setdefault(str(parent), Entry(path=str(parent), directory=True))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(entries):
            info, data = _member(path, entries[path], find_built)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _member(
    path: str, entry: Entry, find_built: Callable[[str], Path]
) -> tuple[tarfile.TarInfo, bytes]:
    """Return the header and the content of one path of a layer."""
    info = tarfile.TarInfo(path)
    info.mode = entry.mode
    if entry.directory:
        info.type = tarfile.DIRTYPE
        return info, b""
    if entry.symlink:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.symlink, 0o777
        return info, b""
    if entry.text:
        data = entry.text.encode()
    else:
        data = (find_built(entry.built) if entry.built else Path(entry.host)).read_bytes()
    info.size = len(data)
    if entry.capability:
        info.pax_headers = {"SCHILY.xattr.security.capability": _capability_text(entry.capability)}
    return info, data


def _capability_text(name: str) -> str:
    """Return the value of the attribute security.capability, in which each byte is below 128."""
    words = [0x02000001, 1 << _CAPABILITY_BITS[name], 0, 0, 0]
    return b"".join(word.to_bytes(4, "little") for word in words).decode("ascii")


def _applets(busybox: str) -> list[str]:
    """Return the applets of a busybox."""
    result = subprocess.run(
        [busybox, "--list"], capture_output=True, text=True, timeout=10, check=True
    )
    return result.stdout.split()
