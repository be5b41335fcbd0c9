# SPDX-License-Identifier: Apache-2.0
"""Steps run for real, as root of a sandbox whose system folders are thrown away."""

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
"""A text, or a map, in which there may be maps."""


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
    name: str = ""
    """The node's host name; '': the machine's own."""

    def run(self, script: Path, **inputs: Input) -> Ran:
        """Run a script with inputs as the agent hands them over."""
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


def write_input(path: Path, value: Input) -> None:
    """Write an input as the agent does: a text as a file, a map as the folder ``PATH.d``, too."""
    if isinstance(value, str):
        path.write_text(value)
        return
    folder = path.with_name(path.name + ".d") if path.name.startswith("inputs.") else path
    folder.mkdir()
    for key, item in value.items():
        write_input(folder / key, item)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """A fresh node, or a skip where the kernel grants no namespaces."""
    tried = subprocess.run(
        [HERE / "sandbox.sh", tmp_path / "tried", "true"], capture_output=True, text=True
    )
    if tried.returncode != 0:
        pytest.skip(f"no mount namespace for the sandbox: {tried.stderr.strip()}")
    return Sandbox(tmp_path)
