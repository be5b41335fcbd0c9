# SPDX-License-Identifier: Apache-2.0
"""``heatgen logs``."""

import json
from pathlib import Path

import pytest

from heatgen.cli.main import main
from tests.unit.heatgen.support.fake_heat import STACK, Heat, created

Capture = pytest.CaptureFixture[str]


def test_logs(heat: Heat, tmp_path: Path, capsys: Capture) -> None:
    """A file for each step on each node; a node that cannot be reached is named."""
    created(heat, well=False)
    heat.there = True
    folder = tmp_path / "logs"
    assert main(["logs", STACK, "-o", str(folder), "-f", "json"]) == 0
    file = folder / "demo-control-0" / "kvstore-start.txt"
    said = capsys.readouterr()
    assert json.loads(said.out)[0]["File"] == str(file)
    assert "no journals" in said.err
    text = file.read_text()
    assert "FAILED, exit status 1" in text
    assert "no space left" in text
