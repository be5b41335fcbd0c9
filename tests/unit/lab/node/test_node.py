# SPDX-License-Identifier: Apache-2.0
"""The recipe of the node image: its inputs, packages and units."""

import json
import shutil
import subprocess
from pathlib import Path

from lab.node import command
from lab.node.disk import usage
from lab.node.recipe import image_inputs, load_recipe

RUNC = "usr/local/sbin/lab-runc"


def copy_of_recipe(tmp_path: Path) -> Path:
    """Return a copy of the recipe and the overlay."""
    return Path(shutil.copytree(command.FOLDER, tmp_path / "node", symlinks=True))


def test_a_changed_link_or_file_changes_the_image(tmp_path: Path) -> None:
    """Every path of the overlay is an input, links by their targets."""
    folder = copy_of_recipe(tmp_path)
    before = image_inputs(folder)
    link = folder / "overlay/etc/systemd/system/default.target"
    link.unlink()
    link.symlink_to("/elsewhere")
    (folder / "overlay/etc/fresh").write_text("")
    after = image_inputs(folder)
    assert {name for name in after if after[name] != before.get(name)} == {
        "link etc/systemd/system/default.target",
        "file etc/fresh",
    }


def test_a_changed_mode_changes_the_image(tmp_path: Path) -> None:
    """Whether a file of the overlay is executable is an input."""
    folder = copy_of_recipe(tmp_path)
    before = image_inputs(folder)
    (folder / "overlay" / RUNC).chmod(0o644)
    assert set(before) ^ set(image_inputs(folder)) == {f"program {RUNC}", f"file {RUNC}"}


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


def test_keepalived_is_installed_but_disabled() -> None:
    """The image contains keepalived, which Debian enables; the unit is disabled, not masked."""
    recipe = load_recipe(command.FOLDER)
    assert "keepalived" in recipe.packages
    assert "keepalived.service" in recipe.disabled_units
    assert "keepalived.service" not in recipe.masked_units


def test_the_image_contains_no_cluster_software() -> None:
    """The image contains cloud-init, but no agent and no part of a cluster."""
    packages = set(load_recipe(command.FOLDER).packages)
    assert "cloud-init" in packages
    assert not packages & {"containerd", "runc", "etcd-server", "kubelet", "os-collect-config"}


def test_the_stub_of_systemd_resolved_is_in_use() -> None:
    """The overlay does not replace the link to the stub that the package systemd-resolved makes."""
    recipe = load_recipe(command.FOLDER)
    assert "systemd-resolved" in recipe.packages
    assert "systemd-resolved.service" not in recipe.masked_units
    assert not (command.FOLDER / "overlay/etc/resolv.conf").is_symlink()


def test_usage_counts_full_blocks(tmp_path: Path) -> None:
    """Directories and files use full blocks and one inode each; empty files use no block."""
    (tmp_path / "small").write_text("x")
    (tmp_path / "empty").write_text("")
    (tmp_path / "large").write_bytes(b"x" * 4097)
    assert usage(tmp_path) == (4096 + 4096 + 0 + 8192, 4)
