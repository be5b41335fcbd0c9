# SPDX-License-Identifier: Apache-2.0
"""Create the root file system of a node: Debian packages, overlay, masked units."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.artifacts.cache import Cache, content_key
from lab.artifacts.debian import ensure_packages
from lab.artifacts.progress import BuildError, run
from lab.node.archive import find_sources, source_list
from lab.node.recipe import Recipe, is_program

PACKAGES_FORMAT = "2"  # increase it when the file system of an unchanged package list changes
TOOLS = ["debian-archive-keyring", "e2fsprogs", "mmdebstrap", "util-linux"]
SECONDS_TO_INSTALL = 1800.0


def require_root() -> None:
    """Check that this process may create files of any owner.

    Raises:
        BuildError: it may not.
    """
    if os.geteuid() != 0:
        raise BuildError("the image build sets file owners: run it as root")


def packages(recipe: Recipe, entry: str, what: str, cache: Cache) -> Path:
    """Return the cached directory with `root.tar`, the file system with the packages installed.

    Args:
        recipe: the recipe with the packages.
        entry: name of the cache entry.
        what: the image, for the progress line.
        cache: the cache.
    """
    log = cache.log(entry)

    def create(folder: Path) -> None:
        require_root()
        ensure_packages(TOOLS, cache.log("packages"))
        install_packages(recipe, folder / "root.tar", log)

    key = content_key({"format": PACKAGES_FORMAT, **recipe.packages_inputs()})
    line = f"installing packages of Debian {recipe.suite} for {what}"
    return cache.get_or_create(entry, key, line, create)


def install_packages(recipe: Recipe, archive: Path, log: Path) -> None:
    """Install the packages of the recipe and write the root file system to `archive`, a tar file.

    Raises:
        BuildError: the packages cannot be installed.
    """
    sources = archive.with_name("sources.list")
    sources.write_text(source_list(find_sources(recipe.suite)), encoding="utf-8")
    options = ["--dpkgopt=force-unsafe-io"]  # an interrupted build starts again from nothing
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


def make_root(recipe: Recipe, archive: Path, trees: Sequence[Path], root: Path, log: Path) -> None:
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
    move_directories(recipe.moved, root)
    for account in recipe.accounts:
        run(["chroot", str(root), "useradd", *account.split()], log, timeout=60)
    _mask(recipe, root)
    if recipe.enabled_units:
        run(["chroot", str(root), "systemctl", "enable", *recipe.enabled_units], log, timeout=60)
    if (root / "etc/ssh").exists():
        _configure_sshd(root / "etc/ssh/sshd_config")
    for tree in trees:
        _copy(tree, root)
    if (root / "etc/apt").exists():
        _write_mirrors(recipe.suite, root / "etc/apt/mirrors")


def _strip(recipe: Recipe, root: Path) -> None:
    """Remove the files that the recipe names, and the identity of the system."""
    for pattern in recipe.remove:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    # Empty, not absent: systemd then generates an id for each server, without a "first boot".
    (root / "etc/machine-id").write_text("", encoding="utf-8")


def move_directories(moved: Mapping[str, str], root: Path) -> None:
    """Move directories, and leave relative links at their old paths."""
    for old, new in moved.items():
        target = root / new
        if target.exists():
            target.rmdir()
        (root / old).rename(target)
        (root / old).symlink_to(os.path.relpath(target, (root / old).parent))


def _configure_sshd(config: Path) -> None:
    """Change the settings of sshd that Debian changes in its image: no login with a password."""
    text = config.read_text(encoding="utf-8")
    text = re.sub(
        "^#PasswordAuthentication yes", "PasswordAuthentication no", text, flags=re.MULTILINE
    )
    config.write_text(f"{text}ClientAliveInterval 120\n", encoding="utf-8")


def _write_mirrors(suite: str, folder: Path) -> None:
    """Write the lists of mirrors that the sources of Debian's image name."""
    folder.mkdir()
    for source in find_sources(suite):
        (folder / f"{source.archive}.list").write_text(f"{source.address}\n", encoding="utf-8")


def _mask(recipe: Recipe, root: Path) -> None:
    for unit in recipe.masked_units:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def _copy(tree: Path, root: Path) -> None:
    """Copy the files and links of a tree, owned by root, over existing ones."""
    for path in sorted(tree.rglob("*")):
        target = root / path.relative_to(tree)
        if path.is_dir() and not path.is_symlink():
            target.mkdir(exist_ok=True)
            continue
        target.unlink(missing_ok=True)
        shutil.copyfile(path, target, follow_symlinks=False)
        os.chown(target, 0, 0, follow_symlinks=False)
        if not target.is_symlink():
            target.chmod(0o755 if is_program(path) else 0o644)
