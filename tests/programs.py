# SPDX-License-Identifier: Apache-2.0
"""Real programs of Kubernetes for tests on loopback: from PATH, or those that the lab has built."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from lab.artifacts import cache

VARIABLE = "HEATGEN_KUBERNETES"
"""Directories with programs, separated by ':', before those of PATH."""
OLDER = "HEATGEN_KUBERNETES_OLDER"
"""Directory of the programs of the previous minor version of Kubernetes."""


def search(*names: str) -> dict[str, Path]:
    """Return the paths of programs in VARIABLE or PATH; skip the test if one is missing.

    For tests that take minutes: they run where the variable names the programs.
    """
    path = os.pathsep.join([os.environ.get(VARIABLE, ""), os.environ.get("PATH", "")])
    return _all_of(VARIABLE, path, names)


def older(*names: str) -> dict[str, Path]:
    """Return the paths of programs in OLDER; skip the test if one is missing."""
    return _all_of(OLDER, os.environ.get(OLDER, ""), names)


def _all_of(variable: str, path: str, names: tuple[str, ...]) -> dict[str, Path]:
    found = {name: Path(where) for name in names if (where := shutil.which(name, path=path))}
    if len(found) < len(names):
        pytest.skip(f"set {variable} to the directories of {', '.join(names)}")
    return found


def program(name: str) -> Path:
    """Return the path of a program, such as ``etcd``; skip the test if it is missing."""
    found = shutil.which(name)
    if found:
        return Path(found)
    built = [path for path in cache.default_root().glob(f"*/{name}") if os.access(path, os.X_OK)]
    if not built:
        pytest.skip(f"the program {name} is neither in PATH nor built by the lab")
    return max(built, key=lambda path: path.stat().st_mtime)
