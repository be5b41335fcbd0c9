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
    """The file that is written is good, with its comments and with all that they show."""
    path = tmp_path / "c.yaml"
    words = ["--name", "web", "--workers", "4", "--api", "198.51.100.0/24, 203.0.113.7/32"]
    assert main(["init", str(path), "--yes", *words]) == 0
    data = yaml.safe_load(path.read_text())
    assert (data["name"], data["workers"]["count"]) == ("web", 4)
    assert data["access"]["api"] == ["198.51.100.0/24", "203.0.113.7/32"]
    assert main(["validate", str(path)]) == 0
    path.write_text(path.read_text().replace("#~", ""))
    assert main(["validate", str(path)]) == 0
    assert "cluster web is good" in capsys.readouterr().err
    before = path.read_text()
    assert main(["init", str(path), "--yes"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert path.read_text() == before


def test_init_asks(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal what no option says is asked; an empty answer is the default."""
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
    ("words", "reason"),
    [
        (["--control", "2"], "must be 1, 3 or 5"),
        (["--control", "x"], "must be a number"),
        (["--name", "a: b"], "name"),
        (["--api", "everybody"], "access.api"),
    ],
)
def test_init_with_wrong_answers(words: list[str], reason: str, tmp_path: Path,
                                 capsys: Capture) -> None:  # fmt: skip
    """A wrong answer is told like a wrong file, and no file is written."""
    path = tmp_path / "cluster.yaml"
    assert main(["init", str(path), "--yes", *words]) == 2
    assert reason in capsys.readouterr().err
    assert not path.exists()
