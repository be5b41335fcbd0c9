# SPDX-License-Identifier: Apache-2.0
"""``heatgen status``."""

import json

import pytest

from heatgen.cli.main import main
from tests.unit.heatgen.support.fake_heat import STACK, Heat, created

Capture = pytest.CaptureFixture[str]


def test_status(heat: Heat, capsys: Capture) -> None:
    """Layer by layer; a failed stack is exit code 1 with the reason."""
    heat.resource("network", "OS::Neutron::Net", "CREATE_COMPLETE")
    assert main(["status", STACK, "-f", "json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)[0] == {
        "Layer": "cloud", "Done": 1, "Of": 4, "State": "in progress", "What": "",
    }  # fmt: skip
    assert "CREATE_COMPLETE" in said.err
    created(heat, well=False)
    heat.there, heat.status = True, "CREATE_FAILED"
    assert main(["status", STACK, "-f", "json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)[2]["What"] == "kvstore/start on demo-control-0"
    assert "problem : disk full" in said.err
