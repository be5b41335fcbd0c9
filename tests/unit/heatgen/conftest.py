# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all tests of heatgen."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from heatgen.project import block_loader
from tests.unit.heatgen.support.others import write_block

# A busy machine must not fail a test: neither examples nor their generation have time limits.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


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
