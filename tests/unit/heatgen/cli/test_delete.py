# SPDX-License-Identifier: Apache-2.0
"""``heatgen delete``."""

import io
import sys

import pytest

from heatgen.cli.main import main
from tests.unit.heatgen.support.fake_heat import STACK, Heat

Capture = pytest.CaptureFixture[str]


def test_confirmation(heat: Heat, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal is an error; without the stack's name as confirmation nothing is deleted."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("demo\n"))
    assert main(["delete", STACK]) == 2
    err = capsys.readouterr().err
    assert "error[confirmation-required]: " in err
    assert "--yes" in err
    terminal = io.StringIO("yes\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["delete", STACK]) == 1
    assert heat.sent == []


def test_delete(heat: Heat, capsys: Capture) -> None:
    """Orphans are listed first; then the progress is shown until the stack is deleted."""
    heat.event(STACK, "CREATE_COMPLETE")
    heat.then = [
        lambda: heat.event("control_0", "DELETE_COMPLETE"),
        lambda: setattr(heat, "there", False),
    ]
    assert main(["delete", STACK, "--yes"]) == 0
    err = capsys.readouterr().err
    assert "outside the stack: no " in err
    assert "server on demo-control-0 done" in err
    assert err.rstrip().endswith("stack demo: deleted")
    assert [method for method, _, _ in heat.sent] == ["DELETE"]
