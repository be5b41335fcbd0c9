# SPDX-License-Identifier: Apache-2.0
"""Steps run for real, as root of a sandbox whose system folders are thrown away."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
HOT = HERE.parents[1] / "hot"


@dataclass(frozen=True)
class Ran:
    """What a step left behind."""

    status: int
    stdout: str
    stderr: str
    outputs: dict[str, str]

    @property
    def problem(self) -> str:
        """The reason the step gave by fail()."""
        return self.outputs.get("problem", "")


@dataclass(frozen=True)
class Sandbox:
    """One node's system folders; they last for one test."""

    folder: Path

    def run(self, script: Path, **inputs: str | dict[str, str]) -> Ran:
        """Run a script with inputs as the agent hands them over."""
        for old in self.folder.glob("inputs.*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for old in self.folder.glob("outputs.*"):
            old.unlink()
        environment = {name: value for name, value in inputs.items() if isinstance(value, str)}
        for name, value in inputs.items():
            if isinstance(value, str):
                (self.folder / f"inputs.{name}").write_text(value)
            else:
                parts = self.folder / f"inputs.{name}.d"
                parts.mkdir()
                for key, text in value.items():
                    (parts / key).write_text(text)
        done = subprocess.run(
            [HERE / "sandbox.sh", self.folder / "system", "/bin/bash", script],
            env={
                "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
                "HEATGEN_LIB": str(HOT / "lib"),
                "heat_inputs_path": str(self.folder / "inputs"),
                "heat_outputs_path": str(self.folder / "outputs"),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        outputs = {
            path.name.removeprefix("outputs."): path.read_text()
            for path in self.folder.glob("outputs.*")
        }
        return Ran(done.returncode, done.stdout, done.stderr, outputs)

    def file(self, path: str) -> Path:
        """Where a file written to a system folder lies outside the sandbox."""
        system, _, rest = path.lstrip("/").partition("/")
        return self.folder / "system" / system / "upper" / rest


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """A fresh node, or a skip where the kernel grants no namespaces."""
    tried = subprocess.run(
        [HERE / "sandbox.sh", tmp_path / "tried", "true"], capture_output=True, text=True
    )
    if tried.returncode != 0:
        pytest.skip(f"no mount namespace for the sandbox: {tried.stderr.strip()}")
    return Sandbox(tmp_path)
