# SPDX-License-Identifier: Apache-2.0
"""``heatgen test``."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from heatgen.cli import run_suite
from heatgen.cli.main import main
from heatgen.project import admin_key
from tests.unit.heatgen.support import pki
from tests.unit.heatgen.support.fake_heat import STACK, Heat

ROOT = Path(__file__).resolve().parents[4]
EXPECTED = {"version": 1, "cluster": "demo", "nodes": {}}
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def key(tmp_path: Path, heat: Heat) -> Path:
    """Return the administrator's key of a stack whose outputs belong to it."""
    path = tmp_path / "cluster.admin.key"
    admin_key.admin_request(path, tmp_path / "cluster.admin.csr", "demo")
    heat.outputs = {**pki.outputs(path.read_bytes(), 7 * pki.DAY), "conformance": EXPECTED}
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Record the run of the suite, instead of running it: arguments, files, modes."""
    seen = SimpleNamespace(arguments=[], files={}, modes=set(), paths=[])

    def record(arguments: list[str]) -> int:
        seen.arguments = arguments
        seen.paths = [Path(arguments[index]) for index in (1, 3)]
        for path in seen.paths:
            seen.files[path.name] = path.read_bytes()
            seen.modes |= {stat.S_IMODE(path.stat().st_mode)}
        seen.folder_mode = stat.S_IMODE(seen.paths[0].parent.stat().st_mode)
        return 1

    monkeypatch.setattr(run_suite, "_run", record)
    return seen


def test_inputs(key: Path, run: SimpleNamespace) -> None:
    """Kubeconfig and expected cluster come from the stack, are private, and are removed."""
    options = ["-n", "auto", "-m", "network and not slow", "-v"]
    assert main(["test", STACK, "--key", str(key), "--", *options]) == 1
    assert run.arguments[::2][:2] == ["--kubeconfig", "--expect"]
    assert run.arguments[4:] == options
    assert yaml.safe_load(run.files["kubeconfig"])["current-context"] == STACK
    assert json.loads(run.files["expect"]) == EXPECTED
    assert (run.modes, run.folder_mode) == ({0o600}, 0o700)
    assert not any(path.exists() for path in run.paths)


def test_key_in_working_directory(
    key: Path, run: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default is the key beside cluster.yaml."""
    monkeypatch.chdir(key.parent)
    assert main(["test", STACK]) == 1
    assert "kubeconfig" in run.files


def test_kubeconfig(key: Path, run: SimpleNamespace) -> None:
    """With --kubeconfig the key is not needed."""
    key.write_text("kubeconfig of a user")
    assert main(["test", STACK, "--kubeconfig", str(key), "--", "-q"]) == 1
    assert run.files["kubeconfig"] == b"kubeconfig of a user"


def test_missing_files(heat: Heat, run: SimpleNamespace, tmp_path: Path, capsys: Capture) -> None:
    """Without key or kubeconfig the suite is not run."""
    for option in ("--key", "--kubeconfig"):
        assert main(["test", STACK, option, str(tmp_path / "no")]) == 2
        assert "error[file-not-readable]: " in capsys.readouterr().err
    assert run.arguments == []


def test_missing_output(key: Path, heat: Heat, run: SimpleNamespace, capsys: Capture) -> None:
    """A stack without the description of the cluster is an error."""
    heat.outputs.pop("conformance")
    assert main(["test", STACK, "--key", str(key)]) == 1
    assert "error[invalid-stack-output]: " in capsys.readouterr().err
    assert run.arguments == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        # No cluster responds at this address.
        (["--deadline", "20", "--patience", "1"], 4),
    ],
)
def test_suite(
    key: Path, heat: Heat, tmp_path: Path, capfd: Any, monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], code: int,
) -> None:  # fmt: skip
    """The suite runs from any directory, and its exit code is that of the command."""
    heat.outputs["api_endpoint"] = "https://127.0.0.1:1"
    # A package of the same name in the working directory is not used.
    (tmp_path / "conformance").mkdir()
    (tmp_path / "conformance" / "__init__.py").write_text("raise SystemExit(99)")
    monkeypatch.chdir(tmp_path)
    assert main(["test", STACK, "--", *arguments]) == code
    captured = capfd.readouterr()
    assert "--save-facts" in captured.out if not code else "cannot be reached" in captured.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals(tmp_path: Path, number: signal.Signals) -> None:
    """A signal ends the suite, which can clean up, and then the command."""
    package = tmp_path / "suite"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "here = pathlib.Path(__file__).parent\n"
        "try:\n"
        "    (here / 'started').touch()\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    time.sleep(0.2)\n"
        "    (here / 'cleaned').touch()\n"
        "    raise SystemExit(2)\n"
    )
    # A shell ignores SIGINT in its background jobs, which may have started these tests.
    program = (
        "import signal, sys\nfrom heatgen.cli import run_suite\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "run_suite.SUITE = 'suite'\nsys.exit(run_suite._run([]))"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
    )
    end = time.monotonic() + 30
    while not (package / "started").exists() and time.monotonic() < end:
        time.sleep(0.05)
    if number == signal.SIGINT:
        # As a terminal does on Ctrl-C.
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    assert process.wait(30) == 2
    assert (package / "cleaned").exists()
