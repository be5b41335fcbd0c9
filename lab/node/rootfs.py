# SPDX-License-Identifier: Apache-2.0
"""Make the root file system of a node in a folder: Debian's packages, the overlay, the masks."""

import os
import shutil
import subprocess
from pathlib import Path

from lab.artifacts.progress import BuildError, run
from lab.node.recipe import Recipe, is_program

SECONDS_TO_INSTALL = 1800.0
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def install_packages(recipe: Recipe, archive: Path, log: Path) -> None:
    """Install the recipe's packages and write the root file system to `archive`, a tar file.

    Raises:
        BuildError: the packages cannot be installed.
    """
    sources = archive.with_name("sources.list")
    sources.write_text(_sources(recipe.suite), encoding="utf-8")
    options = [f'--dpkgopt=path-exclude="{pattern}"' for pattern in recipe.leave_out]
    options += [f'--dpkgopt=path-include="{pattern}"' for pattern in recipe.keep]
    options.append("--dpkgopt=force-unsafe-io")  # a build that dies is made anew
    # In a mount and process namespace of its own nothing it mounts or starts outlives it.
    # Its working folder goes with the partial entry should it be killed.
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
    """Unpack the packages' file system into the new folder `root` and make it a node's.

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
        run(["chroot", str(root), "systemctl", verb, *units], log, timeout=60)
    _lay_over(overlay, root)


def _sources(suite: str) -> str:
    """Where this machine's apt gets `suite` and its updates from, as lines of a sources.list.

    Raises:
        BuildError: this machine's apt knows no archive of the suite.
    """
    line_format = "$(ORIGIN)|$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)"
    answer = subprocess.run(
        ["apt-get", "indextargets", "--format", line_format, "Created-By: Packages"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = []
    for line in answer.stdout.splitlines():
        origin, codename, release, component, address = line.split("|")
        if origin == "Debian" and codename.split("-")[0] == suite and component == "main":
            lines.append(f"deb [signed-by={KEYRING}] {address} {release} main\n")
    if not lines:
        raise BuildError(
            f"this machine's apt knows no archive of Debian {suite}: add one to its sources and "
            "run apt-get update"
        )
    return "".join(dict.fromkeys(lines))


def _strip(recipe: Recipe, root: Path) -> None:
    """Remove what the recipe names, and the addresses of this machine's archives."""
    for pattern in recipe.remove:
        for path in root.glob(pattern):
            path.unlink()
    (root / "etc/apt/sources.list").write_text("", encoding="utf-8")
    # Empty, not absent: systemd then gives each server its own and does not think of a first boot.
    (root / "etc/machine-id").write_text("", encoding="utf-8")


def _mask(recipe: Recipe, root: Path) -> None:
    for unit in recipe.masked_units:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def _lay_over(overlay: Path, root: Path) -> None:
    """Copy the overlay's files and links, all root's own, in place of what is there."""
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
