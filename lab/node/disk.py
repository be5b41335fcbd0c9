# SPDX-License-Identifier: Apache-2.0
"""Create a small, sparse raw ext4 disk from a root file system.

Nova copies it for each server and grows it to the disk size of the flavor (qemu-img resize, e2fsck,
resize2fs). The disks are deleted with the lab, so durability is not needed: no journal, and mounted
without barriers and without initializing the inode tables in the background.
"""

import os
from pathlib import Path

from lab.artifacts.progress import run
from lab.node.recipe import Recipe

BLOCK_BYTES = 4096
MIB = 2**20
SECONDS_TO_WRITE = 600.0


def make_disk(recipe: Recipe, root: Path, disk: Path, log: Path) -> None:
    """Write the content of `root` to the new file `disk`.

    Raises:
        BuildError: mkfs failed.
    """
    used, files = usage(root)
    inodes = max(files + 1024, used // recipe.bytes_per_inode)
    tables = inodes * 256
    size = (used + tables + recipe.free_mib * MIB) // MIB * MIB
    with disk.open("wb") as file:
        file.truncate(size)
    features = ",".join(recipe.disk_features)
    options = ["-F", "-q", "-b", str(BLOCK_BYTES), "-m", "0", "-L", "cloudimg-rootfs"]
    options += ["-O", features, "-i", str(recipe.bytes_per_inode), "-N", str(inodes)]
    run(["mkfs.ext4", *options, "-d", str(root), str(disk)], log, timeout=SECONDS_TO_WRITE)
    # tune2fs cannot set two options: it splits them at the comma itself.
    request = f"set_super_value mount_opts {','.join(recipe.mount_options)}"
    run(["debugfs", "-w", "-R", request, str(disk)], log, timeout=SECONDS_TO_WRITE)
    run(["fallocate", "--dig-holes", str(disk)], log, timeout=SECONDS_TO_WRITE)


def usage(root: Path) -> tuple[int, int]:
    """Return the bytes, in full blocks, and the number of files and directories in `root`."""
    used = files = 0
    for folder, _, names in os.walk(root):
        files += 1
        used += BLOCK_BYTES
        for name in names:
            status = (Path(folder) / name).lstat()
            files += 1
            used += -(-status.st_size // BLOCK_BYTES) * BLOCK_BYTES
    return used, files
