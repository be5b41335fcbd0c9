# SPDX-License-Identifier: Apache-2.0
"""``heatgen delete``."""

import io
import sys

import pytest

from heatgen.cli.main import main
from tests.unit.heatgen.support.fake_heat import STACK, Heat

Capture = pytest.CaptureFixture[str]


def test_delete_asks(heat: Heat, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody to ask is an error; another word than the name deletes nothing."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("demo\n"))
    assert main(["delete", STACK]) == 2
    assert "--yes" in capsys.readouterr().err
    terminal = io.StringIO("yes\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["delete", STACK]) == 1
    assert "nothing is deleted" in capsys.readouterr().err
    assert heat.sent == []


def test_delete(heat: Heat, capsys: Capture) -> None:
    """What is outside the stack is told first; then it is watched until it is gone."""
    heat.event(STACK, "CREATE_COMPLETE")
    heat.then = [
        lambda: heat.event("control_0", "DELETE_COMPLETE"),
        lambda: setattr(heat, "there", False),
    ]
    assert main(["delete", STACK, "--yes"]) == 0
    said = capsys.readouterr().err
    assert "outside the stack: nothing" in said
    assert "server on demo-control-0 done" in said
    assert said.rstrip().endswith("stack demo: deleted")
    assert [method for method, _, _ in heat.sent] == ["DELETE"]
