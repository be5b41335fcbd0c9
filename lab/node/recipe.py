# SPDX-License-Identifier: Apache-2.0
"""The recipe of the node image: `recipe.toml`, and files under `stock/` and `overlay/`.

`stock/` contains files that Debian adds to its image, `overlay/` those that only the lab adds.
Variants change the recipe; `ignition.toml` and `ignition/` are what those with Ignition have in
common. Variants name further directories, which the virtual machine of lab/machine also uses.
"""

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.artifacts.recipes import RecipeError, from_table, read_toml

STOCK = "debian"
TREES = ("stock", "overlay")
IGNITION = "ignition"
COREOS_TREES = ("coreos", "fedora-coreos")
"""Those of an image like Fedora CoreOS."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The keys of recipe.toml.

    Attributes:
        suite: name of the Debian release.
        user: the user that cloud-init creates.
        stock_packages: packages that Debian installs in its image in addition to the required ones.
        left_out_packages: those of `stock_packages` that this image does not contain.
        left_out_files: files of Debian's image that this image does not contain.
        masked_units: systemd units that are never started.
        disk_features: features of the file system that differ from the defaults.
        mount_options: default mount options of the file system.
        enabled_units: systemd units that Debian enables when it builds its image.
        remove: patterns, relative to the root, of files to remove after the installation.
        archive_packages: packages in the apt archive of the lab, which steps install.
        free_mib: free space in the file system, in MiB.
        bytes_per_inode: bytes of the file system per inode.
        moved: directories that become relative links, with the new paths.
        accounts: arguments of useradd for each user of the image.
    """

    suite: str
    user: str
    stock_packages: list[str]
    left_out_packages: list[str]
    left_out_files: list[str]
    masked_units: list[str]
    disk_features: list[str]
    mount_options: list[str]
    enabled_units: list[str]
    remove: list[str]
    archive_packages: list[str]
    free_mib: int
    bytes_per_inode: int
    moved: dict[str, str] = field(default_factory=dict)
    accounts: list[str] = field(default_factory=list)

    @property
    def packages(self) -> list[str]:
        """The packages of the image in addition to the required ones."""
        return sorted(set(self.stock_packages) - set(self.left_out_packages))

    def packages_inputs(self) -> dict[str, bytes | str]:
        """Return the inputs of the file system with the packages."""
        return {"suite": self.suite, "packages": "\n".join(self.packages)}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The keys of variants/NAME.toml: another image, as a change of the recipe.

    The directory variants/NAME contains its files.

    Attributes:
        summary: what it resembles.
        user: the user for login.
        suite: name of the Debian release, if it differs from that of the recipe.
        ignition: whether Ignition configures it instead of cloud-init.
        trees: directories with further files, before its own.
        add_packages: packages in addition to those of the recipe.
        remove_packages: packages of the recipe that it does not contain.
        keep_packages: packages that it contains although the recipe leaves them out.
        enabled_units: as in the recipe; empty for those of the recipe.
        remove: as in the recipe, in addition.
        moved: as in the recipe.
        accounts: as in the recipe.
    """

    summary: str
    user: str
    suite: str = ""
    ignition: bool = False
    trees: list[str] = field(default_factory=list)
    add_packages: list[str] = field(default_factory=list)
    remove_packages: list[str] = field(default_factory=list)
    keep_packages: list[str] = field(default_factory=list)
    enabled_units: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    accounts: list[str] = field(default_factory=list)

    def applied_to(self, recipe: Recipe) -> Recipe:
        """Return the recipe with these changes."""
        packages = {*recipe.stock_packages, *self.add_packages} - set(self.remove_packages)
        return replace(
            recipe,
            suite=self.suite or recipe.suite,
            user=self.user,
            stock_packages=sorted(packages),
            left_out_packages=sorted(set(recipe.left_out_packages) - set(self.keep_packages)),
            enabled_units=self.enabled_units or recipe.enabled_units,
            remove=[*recipe.remove, *self.remove],
            moved={**recipe.moved, **self.moved},
            accounts=[*recipe.accounts, *self.accounts],
        )


def variants(folder: Path) -> list[str]:
    """Return the names of the images that can be built."""
    return [STOCK, *sorted(path.stem for path in (folder / "variants").glob("*.toml"))]


def load_variants(folder: Path, image: str) -> list[Variant]:
    """Read the changes of the recipe for an image, in order.

    Raises:
        RecipeError: a file is not TOML, a key is unknown or missing, or the image is unknown.
    """
    if image not in variants(folder):
        raise RecipeError(f"unknown image {image!r}: use one of {', '.join(variants(folder))}")
    if image == STOCK:
        return []
    variant = read_variant(folder / "variants" / f"{image}.toml")
    return [read_variant(folder / f"{IGNITION}.toml"), variant] if variant.ignition else [variant]


def read_variant(path: Path) -> Variant:
    """Read the changes of the recipe in a file.

    Raises:
        RecipeError: the file is not TOML, or a key is unknown or missing.
    """
    return from_table(Variant, read_toml(path), str(path))


def load_recipe(folder: Path, image: str = STOCK) -> Recipe:
    """Read `folder/recipe.toml`, with the changes of an image that is not the stock image.

    Raises:
        RecipeError: a file is not TOML, a key is unknown or missing, or the image is unknown.
    """
    path = folder / "recipe.toml"
    recipe = from_table(Recipe, read_toml(path), str(path))
    for variant in load_variants(folder, image):
        recipe = variant.applied_to(recipe)
    return recipe


def trees(folder: Path, image: str = STOCK) -> list[Path]:
    """Return the directories whose files are copied into an image, in this order."""
    changes = load_variants(folder, image)
    stock = not any(change.ignition for change in changes)
    names = [*(TREES if stock else TREES[1:]), *(name for each in changes for name in each.trees)]
    found = [folder / name for name in names]
    return found if image == STOCK else [*found, folder / "variants" / image]


def image_inputs(folder: Path, image: str = STOCK) -> dict[str, bytes | str]:
    """Return the inputs of an image: the recipe and each path of its file trees."""
    return {"recipe": repr(load_recipe(folder, image)), **tree_inputs(trees(folder, image))}


def tree_inputs(trees: Sequence[Path]) -> dict[str, bytes | str]:
    """Return the content of each path in directories that are copied into an image."""
    parts: dict[str, bytes | str] = {}
    for tree in trees:
        for path in sorted(tree.rglob("*")):
            name = Path(tree.name) / path.relative_to(tree)
            if path.is_symlink():
                parts[f"link {name}"] = str(path.readlink())
            elif path.is_file():
                kind = "program" if is_program(path) else "file"
                parts[f"{kind} {name}"] = path.read_bytes()
    return parts


def is_program(path: Path) -> bool:
    """Return whether a file is executable: the only part of its mode that git records."""
    return bool(path.stat().st_mode & stat.S_IXUSR)
