# SPDX-License-Identifier: Apache-2.0
"""Command line: exit codes and reports without tracebacks."""

import subprocess
import sys
from pathlib import Path

import pytest

from heatgen.cli import help_text
from heatgen.cli.main import Heatgen, main

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda path: path.unlink(), "file-not-readable"),
        (lambda path: (path.unlink(), path.mkdir()), "file-not-readable"),
        (lambda path: path.write_text(""), "wrong-type"),
        (lambda path: path.write_text("{"), "yaml-syntax"),
        (lambda path: path.write_text("- a"), "wrong-type"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "invalid-encoding"),
        (lambda path: path.write_text("nmae: x"), "unknown-key"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["render", "lock", "validate", "graph", "create"])
def test_invalid_files(command: str, change: object, code: str, cluster: Path,
                       capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """For an unreadable or invalid file the exit code is 2, and the problem is reported."""
    assert callable(change)
    change(cluster)
    assert main([command, str(cluster)]) == 2
    captured = capsys.readouterr()
    assert f"error[{code}]: " in captured.err
    assert str(cluster) in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown command is an error with a code."""
    assert main(["rendr"]) == 2
    assert capsys.readouterr().err.startswith("error[unknown-command]: ")


@pytest.mark.parametrize("arguments", [["rendr"], ["render"], ["render", "a", "b"], ["--nope"]])
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code of wrong usage is 2."""
    try:
        code: object = main(arguments)
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_internal_errors(
    cluster: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An internal error has no traceback without --debug."""

    def broken(*_: object) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("heatgen.project.project.load", broken)
    assert main(["render", str(cluster)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error[internal-error]: RuntimeError: oops\n")
    assert "--debug" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [["help", "nonsense"], ["nonsense", "--help"]])
def test_help_of_unknown_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help of an unknown command is wrong usage, not a bug."""
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error[unknown-command]: ")
    assert "usage: heatgen help" in err


def heatgen(command: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command in which ``heatgen`` is the program."""
    program = f'heatgen() {{ {sys.executable} -m heatgen "$@"; }}\n{command}'
    return subprocess.run(
        ["/bin/bash", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_closed_pipe() -> None:
    """A reader that closes the pipe is not an error to report."""
    done = heatgen("heatgen schema | head -n 1")
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_output_is_a_circle_of_links(cluster: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An output that is a link to itself is reported like other failures to write a file."""
    loop = cluster.with_name("loop.yaml")
    loop.symlink_to("loop.yaml")
    assert main(["render", str(cluster), "-o", str(loop)]) == 2
    assert f"{loop}: error[file-not-writable]: " in capsys.readouterr().err
    assert loop.is_symlink()


def test_imports_of_help() -> None:
    """``heatgen --help`` does not import slow libraries."""
    program = (
        "import sys; from heatgen.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    slow = {"cryptography", "heatclient", "jsonschema", "openstack", "requests"}
    assert set(done.stderr.split()) & slow == set()
    assert "rotate certificates" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_groups_of_commands(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The help lists every command once, in the order of a cluster's life."""
    assert main(arguments) == 0
    out = capsys.readouterr().out
    listed = [name for names in help_text.GROUPS.values() for name in names]
    assert sorted(listed) == sorted(name for name, _ in Heatgen().command_manager)
    places = [out.index(f"\n  {name}  ") for name in listed]
    assert places == sorted(places)
