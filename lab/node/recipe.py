# SPDX-License-Identifier: Apache-2.0
"""The recipe of the node image: `recipe.toml`, and files under `stock/` and `overlay/`.

`stock/` contains files that Debian adds to its image, `overlay/` those that only the lab adds.
"""

import stat
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts.recipes import from_table, read_toml

TREES = ("stock", "overlay")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The keys of recipe.toml.

    Attributes:
        suite: name of the Debian release.
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
    """

    suite: str
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

    @property
    def packages(self) -> list[str]:
        """The packages of the image in addition to the required ones."""
        return sorted(set(self.stock_packages) - set(self.left_out_packages))

    def packages_inputs(self) -> dict[str, bytes | str]:
        """Return the inputs of the file system with the packages."""
        return {"suite": self.suite, "packages": "\n".join(self.packages)}


def load_recipe(folder: Path) -> Recipe:
    """Read `folder/recipe.toml`.

    Raises:
        RecipeError: the file is not TOML, or a key is unknown or missing.
    """
    path = folder / "recipe.toml"
    return from_table(Recipe, read_toml(path), str(path))


def image_inputs(folder: Path) -> dict[str, bytes | str]:
    """Return the inputs of the image: the recipe and each path of its file trees."""
    parts: dict[str, bytes | str] = {"recipe": (folder / "recipe.toml").read_bytes()}
    for tree in TREES:
        for path in sorted((folder / tree).rglob("*")):
            if path.is_symlink():
                parts[f"link {path.relative_to(folder)}"] = str(path.readlink())
            elif path.is_file():
                kind = "program" if is_program(path) else "file"
                parts[f"{kind} {path.relative_to(folder)}"] = path.read_bytes()
    return parts


def is_program(path: Path) -> bool:
    """Return whether a file is executable: the only part of its mode that git records."""
    return bool(path.stat().st_mode & stat.S_IXUSR)
