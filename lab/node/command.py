# SPDX-License-Identifier: Apache-2.0
"""The command `lab/node/build`: build the node image from the recipe."""

import argparse
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from lab.artifacts.cache import Cache, content_key, default_root
from lab.artifacts.outcome import EPILOG, link, run_command
from lab.artifacts.progress import print_progress
from lab.node import rootfs
from lab.node.archive import FORMAT as ARCHIVE_FORMAT
from lab.node.archive import find_sources, is_current, make_archive
from lab.node.disk import make_disk
from lab.node.recipe import STOCK, Recipe, image_inputs, load_recipe, trees, variants

FOLDER = Path(__file__).resolve().parent
FORMAT = "3"  # increase it when the image of an unchanged recipe changes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = _parser().parse_args(arguments)
    cache = Cache(options.cache.absolute())
    return run_command(
        lambda: _make(options.image, options.others, options.out, cache, options.prune)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab/node/build",
        description="Build the image from which the servers of the lab boot, and the apt archive "
        "from which they install packages. Existing ones are reused.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="directory for the links node.raw and apt"
    )
    parser.add_argument(
        "--cache", type=Path, default=default_root(), help="directory of the results (%(default)s)"
    )
    parser.add_argument(
        "--image",
        default=os.environ.get("HEATGEN_LAB_IMAGE") or STOCK,
        help=f"{', '.join(variants(FOLDER))} (default: $HEATGEN_LAB_IMAGE or {STOCK})",
    )
    parser.add_argument(
        "--others",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAME,...",
        help="build these images as well, for the links node-NAME.raw",
    )
    parser.add_argument("--prune", action="store_true", help="afterwards remove older images")
    return parser


def _make(image: str, others: Sequence[str], out: Path, cache: Cache, prune: bool) -> None:
    started = time.monotonic()
    recipe = load_recipe(FOLDER, image)
    packages, entry = _node(image, recipe, cache)
    archive = package_archive(recipe, packages, "apt-archive", cache)
    used = {packages, entry, archive}
    for name in others:
        other_packages, other = _node(name, load_recipe(FOLDER, name), cache)
        used |= {other_packages, other}
        link(out.absolute() / f"node-{name}.raw", other / "node.raw")
    link(out.absolute() / "node.raw", entry / "node.raw")
    link(out.absolute() / "apt", archive)
    if prune:
        cache.prune(used)
    print_progress(f"  ✓ node image ready: {time.monotonic() - started:.1f} s")


def _node(image: str, recipe: Recipe, cache: Cache) -> tuple[Path, Path]:
    """Return the cached directories of an image: its packages, and its disk."""
    packages = rootfs.packages(recipe, "node-packages", f"the node image {image}", cache)
    key = content_key({"format": FORMAT, "packages": packages.name, **image_inputs(FOLDER, image)})
    entry = cache.get_or_create(
        "node",
        key,
        f"creating the node image {image}",
        lambda folder: _image(recipe, trees(FOLDER, image), packages, folder, cache),
    )
    return packages, entry


def _image(
    recipe: Recipe, trees: Sequence[Path], packages: Path, folder: Path, cache: Cache
) -> None:
    """Write the disk `node.raw` and the file `user` with the name of its user."""
    rootfs.require_root()
    root, log = folder / "root", cache.log("node")
    rootfs.make_root(recipe, packages / "root.tar", trees, root, log)
    make_disk(recipe, root, folder / "node.raw", log)
    shutil.rmtree(root)
    (folder / "user").write_text(recipe.user, encoding="utf-8")


def package_archive(recipe: Recipe, packages: Path, entry: str, cache: Cache) -> Path:
    """Return the apt archive for servers of an image; an outdated one is replaced.

    Args:
        recipe: the recipe of the image.
        packages: the cached directory of its packages.
        entry: name of the cache entry.
        cache: the cache.
    """
    log = cache.log(entry)
    wanted = recipe.archive_packages
    key = content_key(
        {"format": ARCHIVE_FORMAT, "image": packages.name, "packages": "\n".join(sorted(wanted))}
    )

    def create(folder: Path) -> None:
        status = folder / "status"
        member = "./var/lib/dpkg/status"
        extract = ["tar", "--extract", "--to-stdout", "--file", str(packages / "root.tar"), member]
        with status.open("wb") as file:
            subprocess.run(extract, stdout=file, check=True, timeout=60)
        make_archive(find_sources(recipe.suite), wanted, status, folder, log)
        status.unlink()

    what = f"creating the apt archive of {', '.join(wanted)}"
    return cache.get_or_create(entry, key, what, create, is_current)
