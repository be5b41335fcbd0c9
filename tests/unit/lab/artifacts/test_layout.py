# SPDX-License-Identifier: Apache-2.0
"""The file tree of the mirror and the storage of the registry, created from tiny files."""

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

from lab.artifacts.images import Entry, Image, make_image
from lab.artifacts.mirror import lay_out, pack
from lab.artifacts.recipes import load_component
from lab.artifacts.registry import add_image

RECIPE = """
summary = "a thing"
module = "example.org/thing"
[binaries]
one = "example.org/thing/one"
two = "example.org/thing/two"
[smoke]
"one" = ""
"two" = ""
[[releases]]
path = "host/v{version}/{file}"
files = ["one", "two"]
checksums = "{path}.sha256"
checksum_style = "bare"
[[releases]]
path = "host/v{version}/thing.tgz"
prefix = "bin/"
files = ["one", "two"]
checksums = "host/v{version}/SUMS"
"""


def test_the_mirror_has_upstream_paths(tmp_path: Path) -> None:
    """Files and archives have upstream paths, and each checksum file the style of its recipe."""
    (tmp_path / "go.mod").write_text("require example.org/thing v1.0.0\n")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    built, tree = tmp_path / "built", tmp_path / "tree"
    built.mkdir()
    for name in ("one", "two"):
        (built / name).write_text(name)
    lay_out([(load_component(tmp_path), built)], tree)
    host = tree / "host/v1.0.0"
    assert (host / "two").read_text() == "two"
    assert (host / "two.sha256").read_text() == hashlib.sha256(b"two").hexdigest()
    digest = hashlib.sha256((host / "thing.tgz").read_bytes()).hexdigest()
    assert (host / "SUMS").read_text() == f"{digest}  thing.tgz\n"
    with tarfile.open(host / "thing.tgz") as archive:
        assert archive.getnames() == ["bin/one", "bin/two"]


def test_an_archive_may_include_other_components(tmp_path: Path) -> None:
    """An archive contains files of another component, without the name of that component."""
    built, start = [], RECIPE.partition("[[releases]]")[0]
    for name, files in (("part", '["one"]'), ("archive", '["part/two", "one"]')):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "go.mod").write_text("require example.org/thing v1.0.0+incompatible\n")
        release = (
            f'[[releases]]\npath = "{name}-{{version}}.tgz"\nprefix = "bin/"\nfiles = {files}\n'
        )
        (folder / "recipe.toml").write_text(start + release)
        for program in ("one", "two"):
            (folder / program).write_text(f"{name} {program}")
        built.append((load_component(folder), folder))
    lay_out(built, tmp_path / "tree")
    with tarfile.open(tmp_path / "tree/archive-1.0.0.tgz") as archive:
        contents = {name: archive.extractfile(name) for name in archive.getnames()}
        texts = {name: file.read() for name, file in contents.items() if file}
    assert texts == {"bin/one": b"archive one", "bin/two": b"part two"}


def test_archives_do_not_depend_on_times(tmp_path: Path) -> None:
    """The same content gives the same bytes, regardless of file times."""
    file = tmp_path / "file"
    file.write_text("content")
    pack({"file": file}, tmp_path / "first.tgz")
    os.utime(file, (1, 1))
    pack({"file": file}, tmp_path / "second.tgz")
    assert (tmp_path / "first.tgz").read_bytes() == (tmp_path / "second.tgz").read_bytes()


def test_an_image_matches_its_recipe(tmp_path: Path) -> None:
    """Directories precede their content; links, modes and capabilities are stored."""
    (tmp_path / "program").write_text("binary")
    image = Image(
        name="thing",
        repository="a/thing",
        tags=["1"],
        entrypoint=["/bin/program"],
        entries=[
            Entry(path="/bin/program", built="c/program", capability="cap_net_bind_service"),
            Entry(path="/tmp", directory=True, mode=0o1777),
            Entry(path="/alias", symlink="bin/program"),
        ],
    )
    manifest, blobs = make_image(image, lambda name: tmp_path / name.removeprefix("c/"))
    assert make_image(image, lambda _: tmp_path / "program") == (manifest, blobs)
    config, layer = blobs
    assert json.loads(config.data)["config"]["Entrypoint"] == ["/bin/program"]
    with tarfile.open(fileobj=io.BytesIO(layer.data)) as tar:
        assert tar.getnames() == ["alias", "bin", "bin/program", "tmp"]
        assert tar.getmember("tmp").mode == 0o1777
        capability = tar.getmember("bin/program").pax_headers["SCHILY.xattr.security.capability"]
    assert capability.encode()[:8] == bytes.fromhex("0100000200040000")


def test_tags_lead_to_all_blobs(tmp_path: Path) -> None:
    """Each tag refers to the manifest, and every blob is stored under its digest."""
    image = Image(name="t", repository="a/t", tags=["1", "2"], entrypoint=["/t"], entries=[])
    manifest, blobs = make_image(image, Path)
    add_image(tmp_path, image.repository, image.tags, manifest, blobs)
    base = tmp_path / "docker/registry/v2"
    for tag in image.tags:
        link = (base / f"repositories/a/t/_manifests/tags/{tag}/current/link").read_text()
        assert link == manifest.digest
    for digest in [manifest.digest, *(blob.digest for blob in blobs)]:
        algorithm, _, value = digest.partition(":")
        data = (base / f"blobs/{algorithm}/{value[:2]}/{value}/data").read_bytes()
        assert hashlib.sha256(data).hexdigest() == value
