# SPDX-License-Identifier: Apache-2.0
"""The image with ostree: its packages, tree, boot loader and scripts."""

import subprocess
from pathlib import Path

import pytest

from lab.artifacts.progress import BuildError
from lab.machine import deployment
from lab.machine.command import HOST_TREES, OSTREE, OSTREE_TREES, Part, guest_recipe, ostree_key
from lab.machine.disk import BOOT_CODE, SECTOR, write_boot_loader
from lab.node.recipe import load_recipe

RECIPE = load_recipe(OSTREE)
OVERLAY = OSTREE / "overlay"
SCRIPTS = ("usr/lib/lab/ssh-keys", "usr/lib/lab/zincati", "usr/sbin/lab-rollback")
MODULE = "usr/lib/dracut/modules.d/40lab-ostree/module-setup.sh"
ENTRY = "title {0}\nversion {1}\noptions ostree=/{0}\n"


def test_it_contains_what_fedora_coreos_contains() -> None:
    """Ignition, ostree and jq; neither Python nor what a step would have to install."""
    assert {"ignition", "ostree", "ostree-boot", "jq", "network-manager"} <= set(RECIPE.packages)
    absent = {"python3", "cloud-init", "conntrack", "keepalived", "netplan.io", "apparmor"}
    assert not set(RECIPE.packages) & absent
    assert RECIPE.user == "core"


def test_the_key_of_the_image_depends_on_its_parts() -> None:
    """Other packages are another image."""

    def key(packages: str) -> str:
        guest = Part("ostree-guest", RECIPE, (OVERLAY,), Path(packages) / "root.tar")
        return ostree_key(guest, Part("host", guest_recipe(), HOST_TREES, Path("h/root.tar")))

    assert key("a") == key("a")
    assert key("a") != key("b")


@pytest.mark.parametrize("name", [*SCRIPTS, MODULE])
def test_scripts_are_valid(name: str) -> None:
    """They are executable and have no syntax errors."""
    (path,) = [tree / name for tree in OSTREE_TREES if (tree / name).exists()]
    assert path.stat().st_mode & 0o100
    subprocess.run(["bash", "-n", str(path)], check=True, timeout=30)


def test_all_units_of_the_lab_are_enabled() -> None:
    """Each unit of the lab that the system starts has an [Install] section."""
    folders = [tree / "usr/lib/systemd/system" for tree in OSTREE_TREES]
    units = [path for folder in folders for path in folder.glob("*.*")]
    names = {path.name for path in units if path.is_file() and "[Install]" in path.read_text()}
    services = {path.stem for folder in folders for path in folder.glob("lab-*.service")}
    assert {f"{name}.service" for name in services} <= names
    assert names - {f"{name}.service" for name in services} == {"docker.socket", "zincati.service"}


def test_directories_of_var_are_created_at_boot(tmp_path: Path) -> None:
    """tmpfiles.d creates the directories of the image, with owner and mode, and no files."""
    (tmp_path / "lib/chrony").mkdir(parents=True)
    (tmp_path / "lib/chrony").chmod(0o750)
    (tmp_path / "lib/file").touch()
    (tmp_path / "run").symlink_to("/run")
    owner = f"{tmp_path.stat().st_uid} {tmp_path.stat().st_gid}"
    (tmp_path / "lib").chmod(0o755)
    assert list(deployment.tmpfiles(tmp_path)) == [
        f"d /var/lib 0755 {owner} -",
        f"d /var/lib/chrony 0750 {owner} -",
    ]


def test_exactly_one_kernel(tmp_path: Path) -> None:
    """The build fails if the guest has no kernel, or several."""
    modules = tmp_path / "usr/lib/modules"
    modules.mkdir(parents=True)
    with pytest.raises(BuildError, match="found none"):
        deployment._kernel(tmp_path)
    (modules / "1").mkdir()
    assert deployment._kernel(tmp_path) == "1"
    (modules / "2").mkdir()
    with pytest.raises(BuildError, match="1, 2"):
        deployment._kernel(tmp_path)


def test_the_boot_loader_keeps_the_partition_table(tmp_path: Path) -> None:
    """Its code is before the table and after the first sector; too long code is refused."""
    disk, sector, core = (tmp_path / name for name in ("disk", "boot.img", "core.img"))
    disk.write_bytes(b"T" * 4 * SECTOR)
    sector.write_bytes(b"S" * SECTOR)
    core.write_bytes(b"C" * SECTOR)
    write_boot_loader(disk, sector, core)
    assert disk.read_bytes() == (
        b"S" * BOOT_CODE + b"T" * (SECTOR - BOOT_CODE) + b"C" * SECTOR + b"T" * 2 * SECTOR
    )
    core.write_bytes(b"C" * 2**20)
    with pytest.raises(BuildError, match="before the first partition"):
        write_boot_loader(disk, sector, core)


def test_a_rollback_swaps_the_entries(tmp_path: Path) -> None:
    """The other deployment gets the higher version and the last name, and back again."""
    script = (OVERLAY / "usr/sbin/lab-rollback").read_text()
    script = script.replace("/boot/loader/entries", str(tmp_path))
    first, second = (tmp_path / f"ostree-{number}-debian.conf" for number in (1, 2))
    first.write_text(ENTRY.format("old", 1))
    refused = subprocess.run(["bash", "-c", script], capture_output=True, timeout=30, check=False)
    assert refused.returncode == 1
    second.write_text(ENTRY.format("new", 2))
    subprocess.run(["bash", "-c", script], check=True, timeout=30)
    assert first.read_text() == ENTRY.format("new", 1)
    assert second.read_text() == ENTRY.format("old", 2)
    subprocess.run(["bash", "-c", script], check=True, timeout=30)
    assert second.read_text() == ENTRY.format("new", 2)
    assert sorted(tmp_path.iterdir()) == [first, second]
