# SPDX-License-Identifier: Apache-2.0
"""Sandbox in which tests run steps as root, on a temporary copy of the system directories."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HOT = HERE.parents[1] / "hot"

Input = str | Mapping[str, "Input"]
"""A text, or a (nested) map."""


@dataclass(frozen=True)
class Result:
    """Result of a step."""

    status: int
    stdout: str
    stderr: str
    outputs: dict[str, str]

    @property
    def problem(self) -> str:
        """Reason passed to ``fail``; empty if it was not called."""
        return self.outputs.get("problem", "")


@dataclass(frozen=True)
class Sandbox:
    """System directories of one node, for one test."""

    folder: Path
    name: str = ""
    """Host name of the node; empty for that of the machine."""
    timeout: float = 120
    """Seconds that a script may run."""

    def run(self, script: Path, **inputs: Input) -> Result:
        """Run a script; pass inputs in the same way as the agent."""
        for old in self.folder.glob("inputs.*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for old in self.folder.glob("outputs.*"):
            old.unlink()
        environment = {name: value for name, value in inputs.items() if isinstance(value, str)}
        for name, value in inputs.items():
            write_input(self.folder / f"inputs.{name}", value)
        done = subprocess.run(
            [HERE / "sandbox.sh", self.folder / "system", "/bin/bash", script],
            env={
                "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
                "HEATGEN_HOSTNAME": self.name,
                "HEATGEN_LIB": str(HOT / "lib"),
                "heat_inputs_path": str(self.folder / "inputs"),
                "heat_outputs_path": str(self.folder / "outputs"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=self.timeout,
        )
        outputs = {
            path.name.removeprefix("outputs."): path.read_text()
            for path in self.folder.glob("outputs.*")
        }
        return Result(done.returncode, done.stdout, done.stderr, outputs)

    def file(self, path: str) -> Path:
        """Return the path outside the sandbox of a file in a system directory."""
        system, _, rest = path.lstrip("/").partition("/")
        return self.folder / "system" / system / "upper" / rest


def write_input(path: Path, value: Input) -> None:
    """Write a text to a file, a map to the directory ``PATH.d``, in the same way as the agent."""
    if isinstance(value, str):
        path.write_text(value)
        return
    folder = path.with_name(path.name + ".d") if path.name.startswith("inputs.") else path
    folder.mkdir()
    for key, item in value.items():
        write_input(folder / key, item)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """Return a new node; skip the test if mount namespaces are not available."""
    attempt = subprocess.run(
        [HERE / "sandbox.sh", tmp_path / "attempt", "true"], capture_output=True, text=True
    )
    if attempt.returncode != 0:
        pytest.skip(f"cannot create a mount namespace: {attempt.stderr.strip()}")
    return Sandbox(tmp_path)
