# SPDX-License-Identifier: Apache-2.0
"""``heatgen completion``, in the shells that exist on this machine."""

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from heatgen.cli.completion import SHELLS
from heatgen.cli.main import main
from tests.unit.heatgen.cli.test_osc_plugin import entry_points

COMPLETED = {
    "heatgen upd": "update",
    "heatgen rotate c": "certificates",
    "heatgen block sh": "show",
    "heatgen scal": "scale",
    "heatgen scale demo worker 2 --rem": "--remove",
    "heatgen update --sta": "--stack",
    "heatgen create --os-cl": "--os-cloud",
    "heatgen diff demo clu": "cluster.yaml",
    "heatgen kubeconfig demo --key clu": "cluster.yaml",
    "heatgen completion z": "zsh",
    "heatgen plan -f ya": "yaml",
}
"""A line, and the word that completes its last one."""
PATIENCE = 30.0
_BASH = """\
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_shtab_heatgen
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def script(request: pytest.FixtureRequest, tmp_path: Path, capsys: object) -> Path:
    """Return the script for a shell, in a directory with a file to complete."""
    assert isinstance(capsys, pytest.CaptureFixture)
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    (tmp_path / "cluster.yaml").touch()
    assert main(["completion", request.param]) == 0
    path = tmp_path / f"script.{request.param}"
    path.write_text(capsys.readouterr().out)
    return path


@pytest.mark.parametrize("shell", SHELLS)
def test_contents(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The script has every command, and no cloud or file is needed to print it."""
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    words = {word for name in entry_points()["heatgen.commands"] for word in name.split("_")}
    assert [word for word in (*words, "help") if word not in text] == []
    assert "==SUPPRESS==" not in text


def test_unknown_shell() -> None:
    """Another shell is wrong usage."""
    assert main(["completion", "csh"]) == 2


@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash(script: Path) -> None:
    """Bash completes commands, options, files and choices."""
    for line, word in COMPLETED.items():
        done = subprocess.run(
            ["bash", "-c", _BASH, "bash", script, *line.split(" ")],
            cwd=script.parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert (line, done.stdout.split(), done.stderr) == (line, [word], "")


@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_fish(script: Path) -> None:
    """Fish completes commands, options, files and choices."""
    for line, word in COMPLETED.items():
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"],
            cwd=script.parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert [found.split("\t")[0] for found in done.stdout.splitlines()] == [word], line


@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh(script: Path) -> None:
    """Zsh completes commands, options, files and choices."""
    setup = f'autoload -Uz compinit; compinit -D -u; eval "$(<{script})"; echo rea""dy\n'
    for line, word in COMPLETED.items():
        shell = _Terminal(["zsh", "-f", "-i"], script.parent)
        try:
            shell.press(setup, "ready\r\n")
            before, _, _ = line.rpartition(" ")
            shell.press(f"{line}\t", f"{before} {word} ")
        finally:
            shell.close()


class _Terminal:
    """A shell on a terminal."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "HOME": str(folder)}
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def press(self, keys: str, expected: str) -> None:
        """Press keys, and wait until a text is shown."""
        os.write(self._ours, keys.encode())
        shown, end = "", time.monotonic() + PATIENCE
        while expected not in shown:
            assert time.monotonic() < end, f"{keys!r} shows {shown!r}, not {expected!r}"
            if select.select([self._ours], [], [], 0.2)[0]:
                shown += os.read(self._ours, 65536).decode(errors="replace")

    def close(self) -> None:
        """End the shell."""
        self._process.kill()
        self._process.wait()
        os.close(self._ours)
