# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all tests of heatgen."""

from pathlib import Path

import pytest

from heatgen.project import block_loader
from tests.unit.heatgen.support.others import write_block


@pytest.fixture(autouse=True)
def no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the user's HEATGEN_PATH."""
    monkeypatch.delenv(block_loader.PATH_VARIABLE, raising=False)


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a third-party block, and set HEATGEN_PATH to it."""
    write_block(tmp_path / "others", "runtime", "box")
    monkeypatch.setenv(block_loader.PATH_VARIABLE, str(tmp_path / "others"))
    return tmp_path / "others"
