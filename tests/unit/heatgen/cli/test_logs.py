# SPDX-License-Identifier: Apache-2.0
"""``heatgen logs``."""

import json
from pathlib import Path

import pytest

from heatgen.cli.main import main
from tests.unit.heatgen.support.fake_heat import STACK, Heat, created

Capture = pytest.CaptureFixture[str]


def test_logs(heat: Heat, tmp_path: Path, capsys: Capture) -> None:
    """A file is written for each step on each node; a note reports skipped journals."""
    created(heat, well=False)
    heat.there = True
    folder = tmp_path / "logs"
    assert main(["logs", STACK, "-o", str(folder), "-f", "json"]) == 0
    file = folder / "demo-control-0" / "kvstore-start.txt"
    captured = capsys.readouterr()
    assert json.loads(captured.out)[0]["File"] == str(file)
    assert "note: skipping journals" in captured.err
    text = file.read_text()
    assert "FAILED, exit status 1" in text
    assert "no space left" in text
