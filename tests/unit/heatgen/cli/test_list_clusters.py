# SPDX-License-Identifier: Apache-2.0
"""``heatgen list``."""

import json
from datetime import timedelta

import pytest
import yaml

from heatgen.cli.list_clusters import age
from heatgen.cli.main import main
from tests.unit.heatgen.support.fake_heat import STACK, Heat

Capture = pytest.CaptureFixture[str]
ROW = {
    "Stack": STACK, "Status": "CREATE_COMPLETE", "Kubernetes": "1.37.2", "Control Plane": 1,
    "Workers": 2, "Created": "2026-01-01T00:00:00Z", "Updated": None,
}  # fmt: skip


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_formats(running: Heat, capsys: Capture, form: str) -> None:
    """Formats for programs have numbers and times."""
    assert main(["list", "-f", form]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == [ROW]


def test_table(running: Heat, capsys: Capture) -> None:
    """The table has ages."""
    running.parameters["worker_count"] = "3"
    assert main(["list"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if STACK in line]
    assert len(lines) == 1
    cells = [cell.strip() for cell in lines[0].strip("|").split("|")]
    assert cells[:5] == [STACK, "CREATE_COMPLETE", "1.37.2", "1", "3"]
    assert cells[5].endswith("d ago")
    assert cells[6] == ""


def test_other_stacks(running: Heat, capsys: Capture) -> None:
    """Stacks that heatgen did not create are not listed."""
    running.others = [
        {"id": name, "stack_name": name, "description": text, "stack_status": "CREATE_COMPLETE"}
        for name, text in (("a", None), ("b", ""), ("c", "Made by heatgen 0.1.0."))
    ]
    assert main(["list", "-f", "json"]) == 0
    assert [row["Stack"] for row in json.loads(capsys.readouterr().out)] == [STACK]


def test_deleted_meanwhile(running: Heat, capsys: Capture) -> None:
    """A stack that is deleted while the command runs is left out."""
    running.others = [
        {"id": "x", "stack_name": "x", "description": running.template["description"],
         "stack_status": "DELETE_IN_PROGRESS"},
    ]  # fmt: skip
    running.there = False
    assert main(["list", "-f", "json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert "no clusters" in captured.err


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m"), (7199, "119m"), (7200, "2h"),
     (172799, "47h"), (172800, "2d"), (timedelta(days=400).total_seconds(), "400d")],
)  # fmt: skip
def test_age(seconds: float, expected: str) -> None:
    """Ages have one unit, as those of kubectl."""
    assert age(seconds) == expected
