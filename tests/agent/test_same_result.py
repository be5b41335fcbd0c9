# SPDX-License-Identifier: Apache-2.0
"""Both agents write the same bytes to ``result.json`` for the same directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.agent.simulation import PYTHON, Kind

HOSTILE = "' \" \\ $(id) `id` ${x}\n\ttab %s %index% ümlaut \u2028 \U0001f600 trailing\n\n"
ENVIRONMENT = """\
env | grep -v -e ^_= -e ^PWD= -e ^SHLVL= -e ^OLDPWD= | sort
"""
PROCESS = """\
pwd; umask; ls /proc/self/fd; grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status
[ "$(ps -o sid= -p $$)" -eq $$ ] && echo leader
read -r line || echo no input
"""
FILES = """\
cd "${heat_inputs_path%/*}" && find inputs.* ! -name 'inputs..*' -printf '%p %m %s\\n' | sort
find inputs.* -type f ! -name 'inputs..*' | sort | xargs -d '\\n' cat
"""
CASES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "environment": (ENVIRONMENT, {"HOSTILE": HOSTILE, "NUMBER": 7, "YES": True, "NONE": None}),
    "overridden": (ENVIRONMENT, {"PATH": "/usr/bin:/bin", "HOME": "/h", "heat_inputs_path": "x"}),
    "large": (
        'echo "${#BIG} ${#SMALL}"; wc -c <"$heat_inputs_path.BIG"',
        {"BIG": "é" * 60_000, "SMALL": "x" * 98_304},
    ),
    "process": (PROCESS, {}),
    "maps": (
        FILES,
        {
            "MAP": {
                "b/c": "1\n",
                "a@!*'()~._- ü": HOSTILE,
                "n": {"z": {}, "y": [2, 1]},
            },
            "TEXT": json.dumps({"key": "value"}),
            "BROKEN": "{no map",
            "LIST": [{"b": 1, "a": "ü"}, None, True],
        },
    ),
    "outputs": (
        'printf "a\\n" >"$heat_outputs_path.b"; printf ü >"$heat_outputs_path.a"\n'
        'printf "\\000\\177" >"$heat_outputs_path.c"; printf 1 >"$heat_outputs_path.problem"\n'
        "printf 5 >$heat_outputs_path.deploy_status_code; mkdir $heat_outputs_path.d",
        {},
    ),
    "large output": ('head -c 1200000 /dev/zero | tr "\\0" x >"$heat_outputs_path.a"', {}),
    "not UTF-8": (
        'printf "na\\357ve \\351\\351\\n"; printf "\\200x\\377\\344\\270" >&2; exit 1',
        {},
    ),
    "truncated character": ("i=0; while [ $i -lt 9000 ]; do printf 'xü€\\n'; i=$((i+1)); done", {}),
    "reported": (
        'printf " no disk\\n\\n" >"$heat_outputs_path.problem"; exit 3',
        {"HEATGEN_STEP": "os/x"},
    ),
    "progress": ('printf "1%%\\r2%%\\r\\n \\n a\\r\\nb\\nc\\nd\\ne\\n" >&2; exit 1', {}),
    "silent": ("exit 7", {"deploy_resource_name": "control-os"}),
    "killed": ("echo before; kill -9 $$", {}),
    "killed with a limit": ("kill -15 $$", {"HEATGEN_TIMEOUT": "60"}),
    "time": ("echo begin; echo why >&2; sleep 60 & wait", {"HEATGEN_TIMEOUT": "1"}),
    "in time": ("echo end; exit 4", {"HEATGEN_TIMEOUT": "60"}),
    "no interpreter": ("#!/no/such/shell -e\necho never", {}),
    "no script": ("#!\necho never", {}),
}


def run(kind: Kind, folder: Path, config: Mapping[str, Any]) -> bytes:
    """Run a deployment in a directory that contains only its ``config.json``; return the result."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    (folder / "config.json").write_text(json.dumps(config))
    environ = {**os.environ, "LC_ALL": "C.UTF-8"}
    # As systemd starts agents. A shell ignores these signals in its background jobs, such as tests.
    defaults = ["env", "--default-signal=INT,QUIT"]
    command = [*defaults, *kind.command, "run", str(folder)]
    subprocess.run(command, env=environ, check=True, timeout=60)
    assert not list(folder.glob("inputs..*"))
    return (folder / "result.json").read_bytes()


@pytest.mark.parametrize("case", CASES)
def test_results_are_equal(shell: Kind, tmp_path: Path, case: str) -> None:
    """Status, outputs, stdout, stderr and the reason of a failure are equal."""
    script, inputs = CASES[case]
    config = {
        "id": "1",
        "config": script if script.startswith("#!") else f"#!/bin/sh\n{script}",
        "inputs": [
            {"name": name, "value": value}
            for name, value in {"deploy_password": "hush", **inputs}.items()
        ],
    }
    folder = tmp_path / "d@1"
    expected = run(PYTHON, folder, config)
    assert run(shell, folder, config) == expected
    assert b"hush" not in expected
    assert isinstance(json.loads(expected)["deploy_status_code"], int)


def test_script_without_interpreter(shell: Kind, tmp_path: Path) -> None:
    """A script without an interpreter fails with both agents."""
    for config in ({"config": "echo never"}, {}):
        results = {run(kind, tmp_path / "d@1", config) for kind in (PYTHON, shell)}
        assert len(results) == 1
        assert json.loads(results.pop())["deploy_status_code"] == 126


def test_statuses(shell: Kind, tmp_path: Path) -> None:
    """The status of a script that is killed by a signal is that of a shell."""
    config = {"config": "#!/bin/sh\nkill -9 $$"}
    for kind in (PYTHON, shell):
        assert json.loads(run(kind, tmp_path / "d@1", config))["deploy_status_code"] == 137
