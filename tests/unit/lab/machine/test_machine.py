# SPDX-License-Identifier: Apache-2.0
"""The image of the virtual machine: its inputs, packages, disk and first process."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lab.artifacts.progress import BuildError
from lab.machine import command, disk
from lab.machine.command import FOLDER, GUEST_TREES, VARIANTS, Part, guest_recipe, image_key
from lab.node.recipe import load_recipe

GUEST = guest_recipe()
INIT = FOLDER / "host/overlay/usr/sbin/init"
SOURCES = Path("etc/apt/sources.list.d/debian.sources")
NGINX = FOLDER.parent / "cloud/etc/nginx.conf"
# What QEMU uses at most for translated code.
TRANSLATED_MIB = 192


def part(name: str, packages: str) -> Part:
    """Return a system of the image, with the directory of its packages."""
    return Part(name, GUEST, GUEST_TREES, Path(packages) / "root.tar")


def test_the_guest_is_a_stock_image() -> None:
    """It has its own kernel, cloud-init and what the steps need not install; nothing is masked."""
    wanted = {"linux-image-cloud-amd64", "systemd-resolved", "cloud-init", "netplan.io", "ethtool"}
    assert wanted <= set(GUEST.packages)
    assert not GUEST.masked_units
    added = [path for path in (FOLDER / "guest").rglob("*") if not path.is_dir()]
    assert added == [FOLDER / "guest/etc/fstab"]


def test_the_guest_contains_no_cluster_software() -> None:
    """The image contains no agent and no part of a cluster."""
    assert not set(GUEST.packages) & {"containerd", "runc", "etcd-server", "kubelet"}


def test_the_guest_with_debian_13_is_a_stock_image() -> None:
    """It differs in the release and its packages, not in what the image contains."""
    other = VARIANTS["debian-13"].recipe()
    assert (GUEST.suite, other.suite) == ("bookworm", "trixie")
    assert set(other.packages) - set(GUEST.packages) == {"libnss-resolve", "linux-sysctl-defaults"}
    assert set(GUEST.packages) - set(other.packages) == {"socat"}
    assert replace(other, suite=GUEST.suite, stock_packages=GUEST.stock_packages) == GUEST
    tree = FOLDER / "debian-13/overlay"
    names = [path.relative_to(tree) for path in tree.rglob("*") if not path.is_dir()]
    assert names == [SOURCES]
    stock = (FOLDER.parent / "node/stock" / SOURCES).read_text()
    assert (tree / SOURCES).read_text() == stock.replace("bookworm", "trixie")


def test_servers_of_another_release_have_its_packages() -> None:
    """The build creates an apt archive for each release other than that of the node image."""
    node = load_recipe(FOLDER.parent / "node")
    for variant in VARIANTS.values():
        recipe = variant.recipe()
        assert variant.archive == (recipe.suite != node.suite)
        assert not variant.archive or recipe.archive_packages == node.archive_packages
        assert f"/apt-{recipe.suite}$uri" in NGINX.read_text() or not variant.archive


def test_the_key_of_the_image_depends_on_both_systems() -> None:
    """Other packages of the guest or the host are another image."""
    usual = image_key(part("guest", "a"), part("host", "b"))
    assert usual == image_key(part("guest", "a"), part("host", "b"))
    assert usual != image_key(part("guest", "c"), part("host", "b"))
    assert usual != image_key(part("guest", "a"), part("host", "c"))


def test_the_memory_of_qemu_is_bounded() -> None:
    """QEMU's translated code needs less than what the machine leaves of the flavor's memory."""
    script = INIT.read_text()
    reserved, cache = (
        int(found[1])
        for pattern in (r"^HOST_MIB=(\d+)", r"tb-size=(\d+)")
        if (found := re.search(pattern, script, re.MULTILINE))
    )
    assert cache == TRANSLATED_MIB
    assert reserved >= cache + 128


def test_the_first_process_is_a_valid_script() -> None:
    """The script is executable and has no syntax errors."""
    assert INIT.stat().st_mode & 0o100
    subprocess.run(["bash", "-n", str(INIT)], check=True, timeout=30)


def test_the_disk_has_space_for_its_files() -> None:
    """The file system has a journal, all files, and the free space of the recipe."""
    recipe = replace(GUEST, free_mib=100, bytes_per_inode=16384)
    assert disk.inodes(2**30, 1000, recipe) == 65536
    assert disk.inodes(2**20, 5000, recipe) == 6024
    assert disk.size_mib(2**30, 1000, recipe) == 1024 + 16 + disk.JOURNAL_MIB + 100


def test_exactly_one_kernel(tmp_path: Path) -> None:
    """The build fails if the guest has no kernel, or several."""
    with pytest.raises(BuildError, match="found none"):
        command._only(tmp_path, "vmlinuz")
    (tmp_path / "vmlinuz-1").touch()
    assert command._only(tmp_path, "vmlinuz") == tmp_path / "vmlinuz-1"
    (tmp_path / "vmlinuz-2").touch()
    with pytest.raises(BuildError, match="vmlinuz-1, vmlinuz-2"):
        command._only(tmp_path, "vmlinuz")
