# SPDX-License-Identifier: Apache-2.0
"""Create the root file system of a node: Debian packages, overlay, masked units."""

import os
import shutil
import subprocess
from pathlib import Path

from lab.artifacts.progress import BuildError, run
from lab.node.recipe import Recipe, is_program

SECONDS_TO_INSTALL = 1800.0
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def install_packages(recipe: Recipe, archive: Path, log: Path) -> None:
    """Install the packages of the recipe and write the root file system to `archive`, a tar file.

    Raises:
        BuildError: the packages cannot be installed.
    """
    sources = archive.with_name("sources.list")
    sources.write_text(_sources(recipe.suite), encoding="utf-8")
    options = [f'--dpkgopt=path-exclude="{pattern}"' for pattern in recipe.leave_out]
    options += [f'--dpkgopt=path-include="{pattern}"' for pattern in recipe.keep]
    options.append("--dpkgopt=force-unsafe-io")  # an interrupted build starts again from nothing
    # In separate mount and PID namespaces, its mounts and processes end with it. If it is killed,
    # its working directory is removed with the partial cache entry.
    namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command = ["mmdebstrap", "--variant=minbase", f"--include={','.join(recipe.packages)}"]
    run(
        [*namespace, *command, *options, recipe.suite, str(archive), str(sources)],
        log,
        timeout=SECONDS_TO_INSTALL,
        environment={**os.environ, "TMPDIR": str(archive.parent)},
    )
    sources.unlink()


def make_root(recipe: Recipe, archive: Path, overlay: Path, root: Path, log: Path) -> None:
    """Unpack the file system with the packages into the new directory `root` and configure it.

    Raises:
        BuildError: the archive cannot be unpacked.
    """
    root.mkdir()
    unpack = ["tar", "--extract", "--numeric-owner", "--xattrs", "--xattrs-include=*"]
    run(
        [*unpack, "--exclude=./dev/*", "--directory", str(root), "--file", str(archive)],
        log,
        timeout=SECONDS_TO_INSTALL,
    )
    _strip(recipe, root)
    _mask(recipe, root)
    for verb, units in (("disable", recipe.disabled_units), ("enable", recipe.enabled_units)):
        if units:
            run(["chroot", str(root), "systemctl", verb, *units], log, timeout=60)
    _copy_overlay(overlay, root)


def _sources(suite: str) -> str:
    """Return the apt sources of `suite` and its updates on this machine, as a sources.list.

    Raises:
        BuildError: apt has no source of the suite.
    """
    line_format = "$(ORIGIN)|$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)"
    result = subprocess.run(
        ["apt-get", "indextargets", "--format", line_format, "Created-By: Packages"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = []
    for line in result.stdout.splitlines():
        origin, codename, release, component, address = line.split("|")
        if origin == "Debian" and codename.split("-")[0] == suite and component == "main":
            lines.append(f"deb [signed-by={KEYRING}] {address} {release} main\n")
    if not lines:
        raise BuildError(
            f"apt has no source of Debian {suite} on this machine: add one to sources.list and "
            "run apt-get update"
        )
    return "".join(dict.fromkeys(lines))


def _strip(recipe: Recipe, root: Path) -> None:
    """Remove the files that the recipe names, and the apt sources of this machine."""
    for pattern in recipe.remove:
        for path in root.glob(pattern):
            path.unlink()
    (root / "etc/apt/sources.list").write_text("", encoding="utf-8")
    # Empty, not absent: systemd then generates an id for each server, without a "first boot".
    (root / "etc/machine-id").write_text("", encoding="utf-8")


def _mask(recipe: Recipe, root: Path) -> None:
    for unit in recipe.masked_units:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def _copy_overlay(overlay: Path, root: Path) -> None:
    """Copy the files and links of the overlay, owned by root, over existing ones."""
    for path in sorted(overlay.rglob("*")):
        target = root / path.relative_to(overlay)
        if path.is_dir() and not path.is_symlink():
            target.mkdir(exist_ok=True)
            continue
        target.unlink(missing_ok=True)
        shutil.copyfile(path, target, follow_symlinks=False)
        os.chown(target, 0, 0, follow_symlinks=False)
        if not target.is_symlink():
            target.chmod(0o755 if is_program(path) else 0o644)
