# SPDX-License-Identifier: Apache-2.0
"""Standard streams that are closed, full or broken: one error, and no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from heatgen.cli.main import main

HEATGEN = f"{sys.executable} -m heatgen"


def shell(line: str, cluster: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of shell, in which ``heatgen`` is the program and ``$1`` the cluster's file."""
    words = ["bash", "-c", line.replace("heatgen ", f"{HEATGEN} "), "bash", str(cluster)]
    return subprocess.run(words, capture_output=True, text=True)


@pytest.mark.parametrize("command", [
    "render $1", "plan $1", "graph $1", "schema", "block list", "block show kvstore/etcd", "--help",
    "help", "completion bash",
])  # fmt: skip
def test_full_output(command: str, cluster: Path) -> None:
    """If standard output is on a full disk, one error reports this."""
    done = shell(f"heatgen {command} >/dev/full", cluster)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if "error[" in line]
    assert errors == ["stdout: error[file-not-writable]: no space left on device"]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "bug in heatgen" not in done.stderr


@pytest.mark.parametrize("command", ["render $1", "graph $1", "schema", "block list", "plan $1"])
def test_closed_output(command: str, cluster: Path) -> None:
    """If standard output is closed, one error reports this."""
    done = shell(f"heatgen {command} >&-", cluster)
    assert done.returncode == 2
    assert "stdout: error[file-not-writable]: standard output is closed" in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_output_of_a_command_without_output(cluster: Path) -> None:
    """Commands that print nothing work if standard output is closed."""
    assert shell("heatgen validate $1 >&-", cluster).returncode == 0


def test_closed_errors(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Notes are not written to standard output if standard error is closed or full."""
    assert main(["render", str(cluster)]) == 0
    expected = capsys.readouterr().out
    assert expected.endswith("\n")
    for redirection in ("2>&-", "2>/dev/full", "<&- 2>&-"):
        done = shell(f"heatgen render $1 {redirection}", cluster)
        assert (done.returncode, done.stdout) == (0, expected)
    assert shell("heatgen render $1/x 2>/dev/full", cluster).returncode == 2


def test_broken_pipe(cluster: Path) -> None:
    """A reader that stops early does not cause messages."""
    done = shell("heatgen schema | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}", cluster)
    assert (done.returncode, done.stderr) in ((0, ""), (1, ""))


def test_output_is_utf8(tmp_path: Path) -> None:
    """The encoding of a template does not depend on the locale."""
    done = subprocess.run(
        [sys.executable, "-m", "heatgen", "schema"], capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.decode("utf-8")
