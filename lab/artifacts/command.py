# SPDX-License-Identifier: Apache-2.0
"""The command `lab/artifacts/build`: from recipes to a mirror's tree and a registry's storage."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from lab.artifacts import go, images, mirror
from lab.artifacts.cache import Cache, content_key, default_root
from lab.artifacts.debian import ensure_packages
from lab.artifacts.outcome import EPILOG, link, run_command
from lab.artifacts.progress import say
from lab.artifacts.recipes import Component, RecipeError, load_components
from lab.artifacts.registry import add_image

FOLDER = Path(__file__).resolve().parent

Built = list[tuple[Component, Path]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    return run_command(
        lambda: _make(options.out, Cache(options.cache), options.only, options.prune)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab/artifacts/build",
        description="Build the node binaries and images of the lab, as the tree of a mirror and "
        "the storage of an image registry. What was built before is kept.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder that gets the links mirror and registry"
    )
    parser.add_argument(
        "--cache", type=Path, default=default_root(), help="folder of what is built (%(default)s)"
    )
    parser.add_argument(
        "--only", metavar="COMPONENT", help="build this component and stop there: no links"
    )
    parser.add_argument(
        "--prune", action="store_true", help="afterwards remove what older recipes built"
    )
    return parser


def _make(out: Path, cache: Cache, only: str | None, prune: bool) -> None:
    started = time.monotonic()
    cache = Cache(cache.root.absolute())
    components = load_components(FOLDER / "components")
    if only and only not in {component.name for component in components}:
        raise RecipeError(
            f"no component {only!r}: there are {', '.join(c.name for c in components)}"
        )
    components = [component for component in components if only in (None, component.name)]
    recipes = [] if only else images.load_images(FOLDER / "images", {c.name: c for c in components})
    packages = {package for component in components for package in component.packages}
    packages |= {package for image in recipes for package in image.packages}
    toolchain = go.Toolchain.find(ensure_packages(packages, cache.log("packages")))
    built = [(component, _build(component, toolchain, cache)) for component in components]
    if not only:
        mirror_tree = _mirror(built, cache)
        storage = _registry(built, recipes, cache)
        link(out.absolute() / "mirror", mirror_tree)
        link(out.absolute() / "registry", storage)
        if prune:
            cache.prune({mirror_tree, storage, *(folder for _, folder in built)})
    say(f"  ✓ artifacts ready: {time.monotonic() - started:.1f} s")


def _build(component: Component, toolchain: go.Toolchain, cache: Cache) -> Path:
    key = content_key({**component.inputs(), **toolchain.identity(component)})
    what = f"building {component.name} {component.version}"
    return cache.take(
        component.name, key, what, lambda f: go.build(component, f, cache.log(component.name))
    )


def _mirror(built: Built, cache: Cache) -> Path:
    key = content_key(
        {"format": mirror.FORMAT, "built": " ".join(folder.name for _, folder in built)}
    )
    return cache.take(
        "mirror", key, "laying out the mirror", lambda tree: mirror.lay_out(built, tree)
    )


def _registry(built: Built, recipes: Sequence[images.Image], cache: Cache) -> Path:
    folders = {component.name: folder for component, folder in built}

    def find(name: str) -> Path:
        component, _, file = name.partition("/")
        return folders[component] / file

    def fill(storage: Path) -> None:
        for image in recipes:
            manifest, blobs = images.make_image(image, find)
            add_image(storage, image.repository, image.tags, manifest, blobs)

    parts: dict[str, bytes | str] = {
        "format": images.FORMAT,
        "built": " ".join(folder.name for folder in folders.values()),
    }
    for image in recipes:
        parts[image.name] = (FOLDER / "images" / image.name / "recipe.toml").read_bytes()
        parts |= {
            entry.host: Path(entry.host).read_bytes() for entry in image.entries if entry.host
        }
    return cache.take("registry", content_key(parts), "making the images", fill)
