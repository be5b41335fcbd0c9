# SPDX-License-Identifier: Apache-2.0
"""``heatgen init``."""

import io
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
