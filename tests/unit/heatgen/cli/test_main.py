# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes, reports, and never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from heatgen.cli.main import main


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.unlink(), "no such file or directory"),
        (lambda path: (path.unlink(), path.mkdir()), "is a directory"),
        (lambda path: path.write_text(""), "must be a mapping"),
        (lambda path: path.write_text("{"), "is not YAML"),
        (lambda path: path.write_text("- a"), "must be a mapping, not a list"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not UTF-8"),
        (lambda path: path.write_text("nmae: x"), "nmae is not known here"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["render", "lock", "validate", "graph", "create"])
def test_bad_files(command: str, make: object, reason: str, cluster: Path,
                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """Whatever lies there instead of a cluster's file: exit code 2 and one reason, named."""
    assert callable(make)
    make(cluster)
    assert main([command, str(cluster)]) == 2
    said = capsys.readouterr()
    assert reason in said.err
    assert str(cluster) in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


@pytest.mark.parametrize("arguments", [["rendr"], ["render"], ["render", "a", "b"], ["--nope"]])
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage is exit code 2."""
    try:
        code: object = main(arguments)
    except SystemExit as left:
        code = left.code
    assert code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_faults_of_our_own(
    cluster: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a fault of heatgen's own is one line, unless --debug asks for more."""

    def broken(*_: object) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("heatgen.project.project.load", broken)
    assert main(["render", str(cluster)]) == 1
    said = capsys.readouterr().err
    assert "RuntimeError: oops" in said
    assert "--debug" in said
    assert "Traceback" not in said


def test_help_is_quick() -> None:
    """The list of commands needs none of the libraries that take long to import."""
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
