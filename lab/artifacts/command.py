# SPDX-License-Identifier: Apache-2.0
"""The command `lab/artifacts/build`: build the file tree of a mirror and a registry's storage."""

import argparse
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from lab.artifacts import go, images, mirror, selection
from lab.artifacts.cache import Cache, content_key, default_root
from lab.artifacts.debian import ensure_packages, installed_versions
from lab.artifacts.outcome import EPILOG, link, run_command
from lab.artifacts.progress import print_progress
from lab.artifacts.recipes import Component, load_components
from lab.artifacts.registry import add_image

FOLDER = Path(__file__).resolve().parent

Built = list[tuple[Component, Path]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: _build_all(options))


def build_component(name: str, cache: Cache | None = None) -> Path:
    """Build one component, unless it was built before; return the directory of its programs.

    Raises:
        BuildError: the component does not exist, or cannot be built.
    """
    cache = cache or Cache(default_root())
    components = load_components(FOLDER / "components")
    selection.check_names([name], components)
    toolchain = _toolchain(components, {name}, [], cache)
    return _build(next(each for each in components if each.name == name), toolchain, cache)


def is_built(name: str, cache: Cache | None = None) -> bool:
    """Return whether a component was built before, by its current recipe."""
    cache = cache or Cache(default_root())
    components = load_components(FOLDER / "components")
    selection.check_names([name], components)
    toolchain = _toolchain(components, {name}, [], cache)
    return cache.entry(
        name, _key(next(each for each in components if each.name == name), toolchain)
    ).is_dir()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab/artifacts/build",
        description="Build the node binaries and images of the lab, as the file tree of a mirror "
        "and the storage of an image registry. Existing results are reused.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="directory for the links mirror and registry"
    )
    parser.add_argument(
        "--cache", type=Path, default=default_root(), help="directory of the results (%(default)s)"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--only", metavar="COMPONENT", help="build only this component, and create no links"
    )
    what.add_argument(
        "--components",
        metavar="NAME,NAME,...",
        type=lambda text: text.split(","),
        help="build only these components and those that they and the images contain; also serve "
        "what was built before (default: all components that are not built on request only)",
    )
    parser.add_argument(
        "--prune", action="store_true", help="afterwards remove the results of older recipes"
    )
    return parser


def _build_all(options: argparse.Namespace) -> None:
    started = time.monotonic()
    cache = Cache(options.cache.absolute())
    components = load_components(FOLDER / "components")
    recipes = images.load_images(FOLDER / "images", {c.name: c for c in components})
    if options.only:
        selection.check_names([options.only], components)
        needed, recipes = {options.only}, []
    else:
        names = options.components or [each.name for each in components if not each.on_request]
        selection.check_names(names, components)
        needed = selection.to_build(names, components, recipes)
    toolchain = _toolchain(components, needed, recipes, cache)
    for component in components:
        if component.name in needed:
            _build(component, toolchain, cache)
    if not options.only:
        built = _served(needed, components, toolchain, cache)
        mirror_tree = _mirror(built, cache)
        storage = _registry(built, recipes, cache)
        link(options.out.absolute() / "mirror", mirror_tree)
        link(options.out.absolute() / "registry", storage)
        if options.prune:
            cache.prune({mirror_tree, storage, *(folder for _, folder in built)})
    print_progress(f"  ✓ artifacts ready: {time.monotonic() - started:.1f} s")


def _toolchain(
    components: Sequence[Component],
    needed: Collection[str],
    recipes: Sequence[images.Image],
    cache: Cache,
) -> go.Toolchain:
    """Install the Debian packages of what is built; return the versions of all."""
    packages = {name for each in components if each.name in needed for name in each.packages} | {
        name for image in recipes for name in image.packages
    }
    ensure_packages(packages, cache.log("packages"))
    return go.Toolchain.find(
        installed_versions(packages.union(*(each.packages for each in components)))
    )


def _served(
    needed: Collection[str],
    components: Sequence[Component],
    toolchain: go.Toolchain,
    cache: Cache,
) -> Built:
    """Return the needed components and those that were built before, with the current recipe.

    A cluster that needs fewer components must not remove those of another cluster. What is built
    on request and publishes nothing does not belong to the mirror.
    """
    entries = {
        each.name: cache.entry(each.name, _key(each, toolchain))
        for each in components
        if each.name in needed or each.releases or not each.on_request
    }
    cached = [name for name, entry in entries.items() if entry.is_dir()]
    served = selection.to_serve(needed, cached, components)
    if skipped := sorted(entries.keys() - served):
        print_progress(f"  ✓ not needed: {', '.join(skipped)}")
    return [(each, entries[each.name]) for each in components if each.name in served]


def _key(component: Component, toolchain: go.Toolchain) -> str:
    return content_key({**component.inputs(), **toolchain.identity(component)})


def _build(component: Component, toolchain: go.Toolchain, cache: Cache) -> Path:
    what = f"building {component.name} {component.version}"
    return cache.get_or_create(
        component.name,
        _key(component, toolchain),
        what,
        lambda folder: go.build(component, folder, cache.log(component.name)),
    )


def _mirror(built: Built, cache: Cache) -> Path:
    key = content_key(
        {"format": mirror.FORMAT, "built": " ".join(folder.name for _, folder in built)}
    )
    return cache.get_or_create(
        "mirror", key, "creating the mirror", lambda tree: mirror.lay_out(built, tree)
    )


def _registry(built: Built, recipes: Sequence[images.Image], cache: Cache) -> Path:
    contained = {name for image in recipes for name in image.components}
    folders = {each.name: folder for each, folder in built if each.name in contained}

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
    return cache.get_or_create("registry", content_key(parts), "creating the images", fill)
