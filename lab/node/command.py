# SPDX-License-Identifier: Apache-2.0
"""The command `lab/node/build`: from the recipe to the node image."""

import argparse
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from lab.artifacts.cache import Cache, content_key, default_root
from lab.artifacts.debian import ensure_packages
from lab.artifacts.outcome import EPILOG, link, run_command
from lab.artifacts.progress import BuildError, say
from lab.node.disk import make_disk
from lab.node.recipe import Recipe, image_inputs, load_recipe
from lab.node.rootfs import install_packages, make_root

FOLDER = Path(__file__).resolve().parent
FORMAT = "1"  # raise it when the same recipe is to be made in another way
TOOLS = ["debian-archive-keyring", "e2fsprogs", "mmdebstrap", "util-linux"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: _make(options.out, Cache(options.cache.absolute()), options.prune))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab/node/build",
        description="Build the image that the lab's servers boot from. A built one is kept.",
        epilog=EPILOG,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder that gets node.raw")
    parser.add_argument(
        "--cache", type=Path, default=default_root(), help="folder of what is built (%(default)s)"
    )
    parser.add_argument("--prune", action="store_true", help="afterwards remove older images")
    return parser


def _make(out: Path, cache: Cache, prune: bool) -> None:
    started = time.monotonic()
    recipe = load_recipe(FOLDER)
    packages = _packages(recipe, cache)
    key = content_key({"format": FORMAT, "packages": packages.name, **image_inputs(FOLDER)})
    what = "laying out the node image"
    entry = cache.take("node", key, what, lambda folder: _image(recipe, packages, folder, cache))
    link(out.absolute() / "node.raw", entry / "node.raw")
    if prune:
        cache.prune({packages, entry})
    say(f"  ✓ node image ready: {time.monotonic() - started:.1f} s")


def _packages(recipe: Recipe, cache: Cache) -> Path:
    """The folder with the file system that the packages make, as `root.tar`."""
    log = cache.log("node-packages")
    key = content_key({"format": FORMAT, **recipe.packages_inputs()})
    what = f"installing Debian {recipe.suite}'s packages for the node image"

    def make(folder: Path) -> None:
        _need_root()
        ensure_packages(TOOLS, cache.log("packages"))
        install_packages(recipe, folder / "root.tar", log)

    return cache.take("node-packages", key, what, make)


def _image(recipe: Recipe, packages: Path, folder: Path, cache: Cache) -> None:
    _need_root()
    root, log = folder / "root", cache.log("node")
    make_root(recipe, packages / "root.tar", FOLDER / "overlay", root, log)
    make_disk(recipe, root, folder / "node.raw", log)
    shutil.rmtree(root)


def _need_root() -> None:
    if os.geteuid() != 0:
        raise BuildError("making the node image sets the owners of its files: run this as root")
