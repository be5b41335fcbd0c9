# SPDX-License-Identifier: Apache-2.0
"""Display of a stack's progress."""

import io
import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from heatgen.cli import progress_display
from heatgen.cli.main import main
from heatgen.cloud import stack
from tests.unit.heatgen.support.fake_heat import STACK, Heat, created

ROOT = Path(__file__).resolve().parents[4]
Capture = pytest.CaptureFixture[str]


def test_interrupted(
    heat: Heat, cluster: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C the commands to continue are printed, and the exit code is 130."""
    heat.there = False

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stack, "follow", interrupt)
    assert main(["create", str(cluster), "--stack", STACK]) == 130
    err = capsys.readouterr().err
    assert "heatgen status demo --wait" in err
    assert "heatgen delete demo" in err


def test_board(heat: Heat, cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the layers are redrawn in place, and failures remain above them."""
    created(heat, well=False)
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main(["create", str(cluster), "--stack", STACK]) == 1
    text = terminal.getvalue()
    assert "\x1b[4F\x1b[J" in text  # seconds and three layers
    last = text.rpartition("\x1b[J")[2].splitlines()
    assert last[1].split() == ["cloud", "1/4"]
    assert last[3].split()[:2] == ["kvstore", "0/1"]
    assert text.count("kvstore/start on demo-control-0 FAILED: disk full") == 1


def test_no_terminal() -> None:
    """Without a terminal, as in pytest, lines are printed."""
    assert isinstance(progress_display.watch(SimpleNamespace()), progress_display.Lines)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("environment", "redraws"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": ""}, False),
        ({}, False),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, True),
    ],
)
def test_terminal_without_escape_codes(environment: dict[str, str], redraws: bool) -> None:
    """On a real terminal lines are redrawn only if it understands escape codes."""
    program = (
        "from types import SimpleNamespace\n"
        "from heatgen.cli import progress_display\n"
        "progress = SimpleNamespace(record=lambda _: None, layers=lambda: [('os', 1, 2, [])])\n"
        "display = progress_display.watch(progress)\n"
        "display(None); display(None)"
    )
    ours, theirs = pty.openpty()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**kept, **environment},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs, check=True,
    )  # fmt: skip
    os.write(theirs, b"end")
    shown = b""
    while not shown.endswith(b"end"):
        shown += os.read(ours, 65536)
    os.close(ours)
    os.close(theirs)
    assert (b"\x1b" in shown) == redraws
