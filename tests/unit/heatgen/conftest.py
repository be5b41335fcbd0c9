# SPDX-License-Identifier: Apache-2.0
"""What all tests of heatgen share."""

from pathlib import Path

import pytest

from heatgen.project import block_loader
from tests.unit.heatgen.support.others import write_block


@pytest.fixture(autouse=True)
def no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of the machine's user are not asked for."""
    monkeypatch.delenv(block_loader.PATH_VARIABLE, raising=False)


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a block of somebody else, which HEATGEN_PATH names."""
    write_block(tmp_path / "others", "runtime", "box")
    monkeypatch.setenv(block_loader.PATH_VARIABLE, str(tmp_path / "others"))
    return tmp_path / "others"
