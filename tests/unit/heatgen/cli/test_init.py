# SPDX-License-Identifier: Apache-2.0
"""``heatgen init``."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from heatgen.cli.main import main

Capture = pytest.CaptureFixture[str]


def test_init(tmp_path: Path, capsys: Capture) -> None:
    """The written file is valid, also with its commented-out keys; it is not overwritten."""
    path = tmp_path / "c.yaml"
    options = ["--name", "web", "--workers", "4", "--api", "198.51.100.0/24, 203.0.113.7/32"]
    assert main(["init", str(path), "--yes", *options]) == 0
    data = yaml.safe_load(path.read_text())
    assert (data["name"], data["workers"]["count"]) == ("web", 4)
    assert data["access"]["api"] == ["198.51.100.0/24", "203.0.113.7/32"]
    assert main(["validate", str(path)]) == 0
    path.write_text(path.read_text().replace("#~", ""))
    assert main(["validate", str(path)]) == 0
    assert "cluster web is valid" in capsys.readouterr().err
    before = path.read_text()
    assert main(["init", str(path), "--yes"]) == 2
    assert f"{path}: error[file-exists]: " in capsys.readouterr().err
    assert path.read_text() == before


def test_prompts(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the command prompts for missing values; an empty answer is the default."""
    terminal = io.StringIO("\npublic-2\n\n\n3\n\n\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    path = tmp_path / "cluster.yaml"
    assert main(["init", str(path)]) == 0
    data = yaml.safe_load(path.read_text())
    assert data["cloud"]["external_network"] == "public-2"
    assert (data["name"], data["control_plane"]["count"]) == ("demo", 3)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--control", "2"], "control-plane-count"),
        (["--control", "x"], "invalid-argument"),
        (["--name", "a: b"], "invalid-format"),
        (["--api", "everywhere"], "invalid-format"),
    ],
)
def test_invalid_values(options: list[str], code: str, tmp_path: Path,
                        capsys: Capture) -> None:  # fmt: skip
    """Invalid values are reported as for a file, and no file is written."""
    path = tmp_path / "cluster.yaml"
    assert main(["init", str(path), "--yes", *options]) == 2
    assert f"error[{code}]: " in capsys.readouterr().err
    assert not path.exists()


def test_gitignore(tmp_path: Path, capsys: Capture) -> None:
    """Private keys are ignored by git; an existing file is not changed, but its gaps are named."""
    path, ignore = tmp_path / "cluster.yaml", tmp_path / ".gitignore"
    assert main(["init", str(path), "--yes"]) == 0
    assert "lacks" not in capsys.readouterr().err
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    secret = ["cluster.admin.key", "prod.admin.key", "cluster.admin.new.key", "kubeconfig",
              ".cluster.admin.key.0a1b2c3d.new", "prod.kubeconfig"]  # fmt: skip
    for name in (
        *secret,
        "cluster.admin.csr",
        "cluster.lock.yaml",
        "generated.yaml",
        "expect.json",
    ):
        (tmp_path / name).touch()
    done = subprocess.run(["git", "-C", str(tmp_path), "ls-files", "-o", "--exclude-standard"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.split() == [
        ".gitignore", "cluster.admin.csr", "cluster.lock.yaml", "cluster.yaml",
    ]  # fmt: skip
    path.unlink()
    ignore.write_text("# kubeconfig\n/*.key\n!cluster.admin.key\n")
    assert main(["init", str(path), "--yes"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"note: {ignore} lacks ")
    assert lines[1:3] == ["  kubeconfig", "  .*.new"]
    assert ignore.read_text() == "# kubeconfig\n/*.key\n!cluster.admin.key\n"
    path.unlink()
    ignore.unlink()
    ignore.mkdir()
    assert main(["init", str(path), "--yes"]) == 2
    assert f"{ignore}: error[file-not-readable]: " in capsys.readouterr().err
    assert not path.exists()


def test_links(tmp_path: Path) -> None:
    """A symbolic link is not followed: the file that it names may be another cluster's."""
    path = tmp_path / "cluster.yaml"
    path.symlink_to("missing.yaml")
    assert main(["init", str(path), "--yes"]) == 2
    assert not path.exists()
