# SPDX-License-Identifier: Apache-2.0
"""The command `lab/machine/build`: build the image from the recipes of guest and host."""

import argparse
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.artifacts.cache import Cache, content_key, default_root
from lab.artifacts.debian import ensure_packages
from lab.artifacts.outcome import EPILOG, link, run_command
from lab.artifacts.progress import BuildError, print_progress
from lab.machine import deployment
from lab.machine.disk import make_partitioned_disk, write_boot_loader
from lab.node import command as node
from lab.node import rootfs
from lab.node.disk import make_disk
from lab.node.recipe import COREOS_TREES, Recipe, load_recipe, read_variant, tree_inputs

FOLDER = Path(__file__).resolve().parent
GUEST_TREES = (node.FOLDER / "stock", FOLDER / "guest")
DEBIAN_13 = FOLDER / "debian-13"
DEBIAN_13_TREES = (*GUEST_TREES, DEBIAN_13 / "overlay")
HOST_TREES = (FOLDER / "host/overlay",)
OSTREE = FOLDER / "ostree"
OSTREE_TREES = (*(node.FOLDER / name for name in COREOS_TREES), OSTREE / "overlay")
FORMAT = "4"  # increase it when the image of unchanged recipes changes
TOOLS = ["e2fsprogs", "fdisk"]
USER = "user"  # file with the name of the user of the image, beside it


@dataclass(frozen=True)
class Part:
    """One of the two systems in the image."""

    name: str
    recipe: Recipe
    trees: tuple[Path, ...]
    """Directories whose files are copied into it."""
    packages: Path
    """The file system with the packages, a tar file."""


@dataclass(frozen=True)
class Variant:
    """An image: its guest, and how the guest is written into the root of the host."""

    entry: str
    """Name of the cache entry."""
    guest: str
    """Name of the guest's part."""
    recipe: Callable[[], Recipe]
    trees: tuple[Path, ...]
    key: Callable[[Part, Part], str]
    """Return the key of the image for guest and host."""
    fill: Callable[[Recipe, Path, Path, Path], None]
    """Write the guest, with this recipe and root, into a directory; the last path is the log."""
    tools: tuple[str, ...] = ()
    archive: bool = False
    """Whether its servers need packages of another release than those of the node image."""

    @property
    def image(self) -> str:
        """The name of the file."""
        return f"{self.entry}.raw"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    options = _parser().parse_args(arguments)
    variant, cache = VARIANTS[options.variant], Cache(options.cache.absolute())
    return run_command(lambda: _make(variant, options.out, cache, options.prune))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab/machine/build",
        description="Build the image of a server that runs a virtual machine. An existing image is "
        "reused.",
        epilog=EPILOG,
    )
    links = " or ".join(variant.image for variant in VARIANTS.values())
    parser.add_argument(
        "--out", type=Path, required=True, help=f"directory for the link {links}, and apt-SUITE"
    )
    parser.add_argument(
        "--variant",
        choices=VARIANTS,
        default="debian",
        help="debian: the cloud image of Debian 12; debian-13: that of Debian 13; ostree: a system "
        "like Fedora CoreOS (%(default)s)",
    )
    parser.add_argument(
        "--cache", type=Path, default=default_root(), help="directory of the results (%(default)s)"
    )
    parser.add_argument("--prune", action="store_true", help="afterwards remove older images")
    return parser


def _make(variant: Variant, out: Path, cache: Cache, prune: bool) -> None:
    started = time.monotonic()
    guest = _part(variant.guest, variant.recipe(), variant.trees, cache)
    host = _part("host", load_recipe(FOLDER / "host"), HOST_TREES, cache)
    entry = cache.get_or_create(
        variant.entry,
        variant.key(guest, host),
        f"creating {variant.image}, the image of the virtual machine",
        lambda folder: _image(variant, guest, host, folder, cache),
    )
    used = {guest.packages.parent, host.packages.parent, entry}
    if variant.archive:
        name = f"{variant.entry}-apt-archive"
        archive = node.package_archive(guest.recipe, guest.packages.parent, name, cache)
        link(out.absolute() / f"apt-{guest.recipe.suite}", archive)
        used.add(archive)
    link(out.absolute() / variant.image, entry / variant.image)
    if prune:
        cache.prune(used)
    print_progress(f"  ✓ image of the virtual machine ready: {time.monotonic() - started:.1f} s")


def ostree_key(guest: Part, host: Part) -> str:
    """Return the key of the image with ostree: also code and configuration of its build."""
    code = Path(deployment.__file__).read_bytes()
    return content_key(
        {
            "image": image_key(guest, host),
            "code": code,
            **tree_inputs([OSTREE / "boot"]),
        }
    )


def image_key(*parts: Part) -> str:
    """Return the key of the image: packages, recipes and overlays of both systems."""
    inputs: dict[str, bytes | str] = {"format": FORMAT}
    for part in parts:
        inputs[f"{part.name} packages"] = part.packages.parent.name
        inputs[f"{part.name} recipe"] = repr(part.recipe)
        for name, value in tree_inputs(part.trees).items():
            inputs[f"{part.name} {name}"] = value
    return content_key(inputs)


def guest_recipe() -> Recipe:
    """Return the recipe of the guest: the stock image without a boot loader, with a journal."""
    return replace(
        load_recipe(node.FOLDER),
        left_out_packages=["grub-cloud-amd64"],
        left_out_files=["etc/cloud-release"],
        disk_features=[],
        mount_options=[],
        free_mib=192,
    )


def debian_13_recipe() -> Recipe:
    """Return the recipe of the guest with Debian 13."""
    return read_variant(DEBIAN_13 / "changes.toml").applied_to(guest_recipe())


def _part(name: str, recipe: Recipe, trees: tuple[Path, ...], cache: Cache) -> Part:
    """Return a system, with its packages installed."""
    what = f"the {name} of the virtual machine"
    folder = rootfs.packages(recipe, f"machine-{name}-packages", what, cache)
    return Part(name, recipe, trees, folder / "root.tar")


def _image(variant: Variant, guest: Part, host: Part, folder: Path, cache: Cache) -> None:
    """Write the image: the root of the host, with the guest in /machine."""
    rootfs.require_root()
    ensure_packages([*TOOLS, *variant.tools], cache.log("packages"))
    log = cache.log(variant.entry)
    inner, outer = (_root(part, folder, log) for part in (guest, host))
    machine = outer / "machine"
    machine.mkdir()
    variant.fill(guest.recipe, inner, machine, log)
    make_disk(host.recipe, outer, folder / variant.image, log)
    shutil.rmtree(outer)
    (folder / USER).write_text(guest.recipe.user, encoding="utf-8")


def _fill(recipe: Recipe, inner: Path, machine: Path, log: Path) -> None:
    """Write kernel, initramfs and disk of the guest."""
    for name in ("vmlinuz", "initrd.img"):
        shutil.copyfile(_only(inner / "boot", name), machine / name)
    make_partitioned_disk(recipe, inner, machine / "disk.raw", log)
    shutil.rmtree(inner)


def _fill_ostree(recipe: Recipe, inner: Path, machine: Path, log: Path) -> None:
    """Write the bootable disk of the guest."""
    sysroot, disk = inner.with_name("sysroot"), machine / "disk.raw"
    try:
        loader = deployment.make_sysroot(inner, OSTREE / "boot", sysroot, log)
        shutil.rmtree(inner)
        deployed = deployment.deployments(sysroot)
        make_partitioned_disk(recipe, sysroot, disk, log, label="dos", immutable=deployed)
    finally:
        if deployment.deployments(sysroot):
            deployment.make_mutable(sysroot, log)
    write_boot_loader(disk, loader.sector, loader.core)
    for path in (loader.sector, loader.core):
        path.unlink()
    shutil.rmtree(sysroot)


def _root(part: Part, folder: Path, log: Path) -> Path:
    root = folder / part.name
    rootfs.make_root(part.recipe, part.packages, part.trees, root, log)
    return root


def _only(boot: Path, name: str) -> Path:
    """Return the only kernel or initramfs in /boot.

    Raises:
        BuildError: there is not exactly one.
    """
    found = sorted(boot.glob(f"{name}-*"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise BuildError(f"expected one {name} in /boot of the guest, found {names}")
    return found[0]


VARIANTS = {
    "debian": Variant("machine", "guest", guest_recipe, GUEST_TREES, image_key, _fill),
    "debian-13": Variant(
        "machine-debian-13",
        "debian-13-guest",
        debian_13_recipe,
        DEBIAN_13_TREES,
        image_key,
        _fill,
        archive=True,
    ),
    "ostree": Variant(
        "machine-ostree",
        "ostree-guest",
        lambda: load_recipe(OSTREE),
        OSTREE_TREES,
        ostree_key,
        _fill_ostree,
        tuple(deployment.TOOLS),
    ),
}
