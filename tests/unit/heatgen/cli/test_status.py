# SPDX-License-Identifier: Apache-2.0
"""``heatgen status``."""

import json

import pytest

from heatgen.cli.main import main
from tests.unit.heatgen.support.fake_heat import STACK, Heat, created

Capture = pytest.CaptureFixture[str]


def test_status(heat: Heat, capsys: Capture) -> None:
    """The table has a row per layer; for a failed stack the exit code is 1."""
    heat.resource("network", "OS::Neutron::Net", "CREATE_COMPLETE")
    assert main(["status", STACK, "-f", "json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)[0] == {
        "Layer": "cloud", "Done": 1, "Of": 4, "State": "in progress", "What": "",
    }  # fmt: skip
    assert "CREATE_COMPLETE" in captured.err
    created(heat, well=False)
    heat.there, heat.status = True, "CREATE_FAILED"
    assert main(["status", STACK, "-f", "json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)[2]["What"] == "kvstore/start on demo-control-0"
    assert "problem : disk full" in captured.err
