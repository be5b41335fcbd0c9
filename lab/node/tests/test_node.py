# SPDX-License-Identifier: Apache-2.0
"""The node image's recipe: what decides the image, and that it stays a stock one."""

import shutil
from pathlib import Path

from node import command
from node.disk import usage
from node.recipe import image_inputs, load_recipe


def copy_of_recipe(tmp_path: Path) -> Path:
    """The recipe's folder, to be altered."""
    return Path(shutil.copytree(command.FOLDER, tmp_path / "node", symlinks=True))


def test_a_changed_link_or_file_makes_another_image(tmp_path: Path) -> None:
    """Every path of the overlay counts, links by where they lead."""
    folder = copy_of_recipe(tmp_path)
    before = image_inputs(folder)
    link = folder / "overlay/etc/resolv.conf"
    link.unlink()
    link.symlink_to("/elsewhere")
    (folder / "overlay/etc/fresh").write_text("")
    after = image_inputs(folder)
    assert {name for name in after if after[name] != before.get(name)} == {
        "link etc/resolv.conf",
        "file etc/fresh",
    }


def test_the_image_is_a_stock_one() -> None:
    """No agent and no part of a cluster is baked in: the user data brings them."""
    packages = set(load_recipe(command.FOLDER).packages)
    assert "cloud-init" in packages
    assert not packages & {"containerd", "runc", "etcd-server", "kubelet", "os-collect-config"}


def test_usage_counts_whole_blocks(tmp_path: Path) -> None:
    """Each folder and each file, however small, takes a block and an inode; an empty one none."""
    (tmp_path / "small").write_text("x")
    (tmp_path / "empty").write_text("")
    (tmp_path / "large").write_bytes(b"x" * 4097)
    assert usage(tmp_path) == (4096 + 4096 + 0 + 8192, 4)
