# SPDX-License-Identifier: Apache-2.0
"""The recipe of the node image: its inputs, packages and units."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lab.artifacts.recipes import RecipeError
from lab.cloud import seed
from lab.node import command, rootfs
from lab.node.disk import usage
from lab.node.recipe import image_inputs, load_recipe, trees, variants

RUNC = "usr/local/sbin/lab-runc"


def copy_of_recipe(tmp_path: Path) -> Path:
    """Return a copy of the recipe and the overlay."""
    return Path(shutil.copytree(command.FOLDER, tmp_path / "node", symlinks=True))


def test_a_changed_link_or_file_changes_the_image(tmp_path: Path) -> None:
    """Every path of the overlay is an input, links by their targets."""
    folder = copy_of_recipe(tmp_path)
    before = image_inputs(folder)
    link = folder / "overlay/etc/resolv.conf"
    link.unlink()
    link.symlink_to("/elsewhere")
    (folder / "stock/etc/fresh").write_text("")
    after = image_inputs(folder)
    assert {name for name in after if after[name] != before.get(name)} == {
        "link overlay/etc/resolv.conf",
        "file stock/etc/fresh",
    }


def test_a_changed_mode_changes_the_image(tmp_path: Path) -> None:
    """Whether a file of the overlay is executable is an input."""
    folder = copy_of_recipe(tmp_path)
    before = image_inputs(folder)
    (folder / "overlay" / RUNC).chmod(0o644)
    assert set(before) ^ set(image_inputs(folder)) == {
        f"program overlay/{RUNC}",
        f"file overlay/{RUNC}",
    }


def test_lab_runc_raises_negative_scores(tmp_path: Path) -> None:
    """lab-runc sets a negative oom_score_adj to 0 and changes nothing else."""
    config = {"process": {"oomScoreAdj": -998, "args": ['"oomScoreAdj":-998']}, "linux": {}}
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config, separators=(",", ":")))
    script = (command.FOLDER / "overlay" / RUNC).read_text()
    real = tmp_path / "runc"
    real.write_text('#!/bin/sh\necho "$@"\n')
    real.chmod(0o755)
    script = script.replace("/opt/heatgen/bin/runc", str(real))
    done = subprocess.run(
        ["bash", "-c", script, "lab-runc", "create", "--bundle", str(tmp_path), "id"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    config["process"]["oomScoreAdj"] = 0
    assert json.loads(file.read_text()) == config
    assert done.stdout == f"create --bundle {tmp_path} id\n"


def test_the_image_contains_no_cluster_software() -> None:
    """The image contains cloud-init, but no agent, no part of a cluster, and nothing for one."""
    packages = set(load_recipe(command.FOLDER).packages)
    assert "cloud-init" in packages
    assert not packages & {"containerd", "runc", "etcd-server", "kubelet", "os-collect-config"}
    assert not packages & {"conntrack", "ethtool", "keepalived", "socat"}


def test_the_second_image_has_the_differences_of_ubuntu() -> None:
    """It has chrony, needrestart, ufw and the user of Ubuntu; its files are inputs of its key."""
    stock, other = load_recipe(command.FOLDER), load_recipe(command.FOLDER, "ubuntu-like")
    assert set(other.packages) - set(stock.packages) == {"chrony", "needrestart", "ufw"}
    assert set(stock.packages) - set(other.packages) == {"systemd-timesyncd"}
    assert (stock.user, other.user) == ("debian", "ubuntu")
    added = image_inputs(command.FOLDER, "ubuntu-like").keys() - image_inputs(command.FOLDER).keys()
    assert any(name.endswith("02_user.cfg") for name in added)


@pytest.mark.parametrize("image", ["fcos-like", "flatcar-like"])
def test_images_with_ignition_have_no_package_manager(image: str) -> None:
    """Ignition configures them: no cloud-init, none of Debian's files, neither apt nor perl."""
    recipe = load_recipe(command.FOLDER, image)
    packages = set(recipe.packages)
    assert {"ignition", "jq", "ethtool", "socat"} <= packages
    assert not packages & {"cloud-init", "netplan.io", "unattended-upgrades", "keepalived"}
    assert {"usr/bin/apt*", "usr/bin/perl*", "etc/apt"} <= set(recipe.remove)
    assert recipe.user == "core"
    names = [tree.name for tree in trees(command.FOLDER, image)]
    assert [name for name in names if "coreos" not in name] == ["overlay", "ignition", image]
    services = {"fcos-like": ["coreos", "fedora-coreos"], "flatcar-like": ["coreos"]}
    assert [name for name in names if "coreos" in name] == services[image]


def test_the_cloud_registers_all_variants() -> None:
    """Every image that can be built is an image of the cloud."""
    assert list(seed.VARIANTS) == variants(command.FOLDER)[1:]


def test_directories_are_moved(tmp_path: Path) -> None:
    """A moved directory leaves a relative link; files below it are copied through the link."""
    root = tmp_path / "root"
    for name in ("usr/local/bin", "var/usrlocal", "opt", "var"):
        (root / name).mkdir(parents=True, exist_ok=True)
    recipe = load_recipe(command.FOLDER, "fcos-like")
    (root / "home").mkdir()
    (root / "srv").mkdir()
    rootfs.move_directories(recipe.moved, root)
    assert (root / "usr/local").readlink() == Path("../var/usrlocal")
    assert (root / "opt").readlink() == Path("var/opt")
    assert (root / "var/usrlocal/bin").is_dir()


def test_an_unknown_image_is_an_error() -> None:
    """The message of an unknown image has the known ones."""
    with pytest.raises(RecipeError, match="debian, fcos-like"):
        load_recipe(command.FOLDER, "other")


def test_left_out_packages_are_stock_packages() -> None:
    """Only packages of Debian's image can be left out."""
    recipe = load_recipe(command.FOLDER)
    assert set(recipe.left_out_packages) <= set(recipe.stock_packages)


def test_the_stub_of_systemd_resolved_is_in_use() -> None:
    """The link leads to the stub, as on Debian 13, Ubuntu and Fedora CoreOS."""
    recipe = load_recipe(command.FOLDER)
    assert "systemd-resolved" in recipe.packages
    assert "systemd-resolved.service" not in recipe.masked_units
    link = command.FOLDER / "overlay/etc/resolv.conf"
    assert str(link.readlink()) == "../run/systemd/resolve/stub-resolv.conf"


def differences() -> set[str]:
    """Return all differences from Debian's image that the recipe and the overlay define."""
    recipe, overlay = load_recipe(command.FOLDER), command.FOLDER / "overlay"
    paths = {path.relative_to(overlay): path for path in overlay.rglob("*")}
    files = {f"/{name}" for name, path in paths.items() if path.is_symlink() or path.is_file()}
    settings = {
        f"cloud-init {key}"
        for name in files
        if name.startswith("/etc/cloud/cloud.cfg")
        for key in yaml.safe_load((overlay / name[1:]).read_text())
    }
    return {
        "/etc/apt/mirrors",  # written by lab.node.rootfs
        *(f"package {name}" for name in recipe.left_out_packages),
        *(f"/{name}" for name in recipe.left_out_files),
        *(f"unit {name}" for name in recipe.masked_units),
        *(f"ext4 {name}" for name in (*recipe.disk_features, *recipe.mount_options)),
        *(name for name in files if not name.startswith("/etc/cloud/cloud.cfg")),
        *settings,
    }


def test_all_differences_are_documented() -> None:
    """lab/README.rst lists each difference from a stock image once, with a reason, and no other."""
    text = (command.FOLDER.parent / "README.rst").read_text()
    title = "Differences from a stock image\n"
    section = re.split(r"\n\n\S.*\n[=]{4,}\n", text[text.index(title) :])[0]
    documented = re.findall(r"^\* ``(.+?)``(?:, ``(.+?)``)?: \w", section, re.MULTILINE)
    names = [name for pair in documented for name in pair if name]
    assert sorted(names) == sorted(differences())


def test_usage_counts_full_blocks(tmp_path: Path) -> None:
    """Directories and files use full blocks and one inode each; empty files use no block."""
    (tmp_path / "small").write_text("x")
    (tmp_path / "empty").write_text("")
    (tmp_path / "large").write_bytes(b"x" * 4097)
    assert usage(tmp_path) == (4096 + 4096 + 0 + 8192, 4)
