# SPDX-License-Identifier: Apache-2.0
"""The recipe of the node image: `recipe.toml` and the files under `overlay/`."""

import stat
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts.recipes import from_table, read_toml


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The keys of recipe.toml.

    Attributes:
        suite: name of the Debian release.
        packages: packages in addition to the essential ones.
        leave_out: patterns of paths that dpkg does not unpack.
        keep: patterns of exceptions from `leave_out`.
        remove: patterns, relative to the root, of files to remove after the installation.
        masked_units: systemd units that are never started.
        enabled_units: systemd units to enable that Debian does not enable.
        disabled_units: systemd units to disable that Debian enables.
        free_mib: free space in the file system, in MiB.
        bytes_per_inode: bytes of the file system per inode.
    """

    suite: str
    packages: list[str]
    leave_out: list[str]
    keep: list[str]
    remove: list[str]
    masked_units: list[str]
    enabled_units: list[str]
    disabled_units: list[str]
    free_mib: int
    bytes_per_inode: int

    def packages_inputs(self) -> dict[str, bytes | str]:
        """Return the inputs of the file system with the packages."""
        return {
            "suite": self.suite,
            "packages": "\n".join(sorted(self.packages)),
            "leave_out": "\n".join(self.leave_out),
            "keep": "\n".join(self.keep),
        }


def load_recipe(folder: Path) -> Recipe:
    """Read `folder/recipe.toml`.

    Raises:
        RecipeError: the file is not TOML, or a key is unknown or missing.
    """
    path = folder / "recipe.toml"
    return from_table(Recipe, read_toml(path), str(path))


def image_inputs(folder: Path) -> dict[str, bytes | str]:
    """Return the inputs of the image: the recipe and each path of the overlay."""
    parts: dict[str, bytes | str] = {"recipe": (folder / "recipe.toml").read_bytes()}
    overlay = folder / "overlay"
    for path in sorted(overlay.rglob("*")):
        if path.is_symlink():
            parts[f"link {path.relative_to(overlay)}"] = str(path.readlink())
        elif path.is_file():
            kind = "program" if is_program(path) else "file"
            parts[f"{kind} {path.relative_to(overlay)}"] = path.read_bytes()
    return parts


def is_program(path: Path) -> bool:
    """Return whether a file is executable: the only part of its mode that git records."""
    return bool(path.stat().st_mode & stat.S_IXUSR)
