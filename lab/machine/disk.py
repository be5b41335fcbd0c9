# SPDX-License-Identifier: Apache-2.0
"""Create the disk of the virtual machine: a partition table and one ext4 file system.

Unlike the disk of a container, it has the features of Debian's cloud images, such as a journal:
kernel, udev and cloud-init of the machine find what they find in any cloud.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab.artifacts.progress import BuildError, run
from lab.node.disk import MIB, usage
from lab.node.recipe import Recipe

START_MIB = 1  # of the partition; as much space after it is for the second partition table
JOURNAL_MIB = 64
SECONDS_TO_WRITE = 900.0
LINUX_ROOT_X86_64 = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
LINUX = "83"
SECTOR = 512
BOOT_CODE = 440  # bytes of the first sector before the partition table of a BIOS
IMMUTABLE_EXTENTS = 0x80010  # flags of an inode


def size_mib(used: int, files: int, recipe: Recipe) -> int:
    """Return the size of the file system for `files` files that use `used` bytes."""
    tables = inodes(used, files, recipe) * 256
    return (used + tables) // MIB + JOURNAL_MIB + recipe.free_mib


def inodes(used: int, files: int, recipe: Recipe) -> int:
    """Return the number of inodes of the file system."""
    return max(files + 1024, used // recipe.bytes_per_inode)


def make_partitioned_disk(
    recipe: Recipe,
    root: Path,
    disk: Path,
    log: Path,
    *,
    label: str = "gpt",
    immutable: Sequence[Path] = (),
) -> None:
    """Write the content of `root` to the first partition of the new file `disk`.

    Args:
        recipe: the recipe of the system.
        root: the directory with the files.
        disk: the file to create.
        log: file for the output of programs.
        label: kind of the partition table, `gpt` or `dos`.
        immutable: directories in `root` that are immutable on the disk.

    Raises:
        BuildError: mkfs or sfdisk failed.
    """
    used, files = usage(root)
    size = size_mib(used, files, recipe)
    partition = disk.with_suffix(".partition")
    options = ["-F", "-q", "-m", "1", "-N", str(inodes(used, files, recipe))]
    options += ["-J", f"size={JOURNAL_MIB}", "-E", "lazy_itable_init=1,lazy_journal_init=1"]
    options += ["-i", str(recipe.bytes_per_inode), "-d", str(root)]
    with partition.open("wb") as file:
        file.truncate(size * MIB)
    run(["mkfs.ext4", *options, str(partition)], log, timeout=SECONDS_TO_WRITE)
    for folder in immutable:
        request = f"set_inode_field /{folder.relative_to(root)} flags {IMMUTABLE_EXTENTS:#x}"
        run(["debugfs", "-w", "-R", request, str(partition)], log, timeout=60)
    with disk.open("wb") as file:
        file.truncate((size + 2 * START_MIB) * MIB)
    _write_table(disk, size, label)
    copy = ["dd", f"if={partition}", f"of={disk}", f"bs={MIB}", f"seek={START_MIB}"]
    run([*copy, "conv=notrunc,sparse", "status=none"], log, timeout=SECONDS_TO_WRITE)
    partition.unlink()


def write_boot_loader(disk: Path, sector: Path, core: Path) -> None:
    """Write GRUB to a disk with a table of the kind `dos`: before the table, and after it.

    `core` follows the first sector, where GRUB expects it without further settings.

    Raises:
        BuildError: there is too little space before the first partition.
    """
    code = core.read_bytes()
    if SECTOR + len(code) > START_MIB * MIB:
        raise BuildError(f"GRUB needs {len(code)} bytes before the first partition")
    with disk.open("r+b") as file:
        file.write(sector.read_bytes()[:BOOT_CODE])
        file.seek(SECTOR)
        file.write(code)


def _write_table(disk: Path, size: int, label: str) -> None:
    kind = LINUX_ROOT_X86_64 if label == "gpt" else LINUX
    table = f"label: {label}\nstart={START_MIB}MiB, size={size}MiB, type={kind}\n"
    done = subprocess.run(
        ["sfdisk", "--quiet", str(disk)],
        input=table,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"sfdisk failed: {done.stderr.strip()}")
