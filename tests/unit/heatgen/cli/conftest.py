# SPDX-License-Identifier: Apache-2.0
"""A cluster's files and a cloud for all commands."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from heatgen.cloud import connection, stack
from tests.golden.cases import CASES
from tests.unit.heatgen.support.fake_heat import STACK, Heat, serving

CASE = CASES / "minimal"


@pytest.fixture
def heat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heat]:
    """The cloud that every command asks: one with a Heat and nothing else."""
    monkeypatch.setattr(stack, "PAUSE", 0)
    with serving() as (served, found):
        monkeypatch.setattr(connection.Cloud, "has", lambda *_: False)
        found.connection.compute = SimpleNamespace(servers=list)
        monkeypatch.setattr(connection, "connect", lambda *_: found)
        yield served


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A cluster's folder with lock and request."""
    for name in ("cluster.yaml", "cluster.lock.yaml", "cluster.admin.csr"):
        shutil.copy(CASE / name, tmp_path)
    return tmp_path / "cluster.yaml"


@pytest.fixture
def running(heat: Heat, cluster: Path) -> Heat:
    """A stack of the cluster as it is rendered now."""
    text = (CASE / "generated.yaml").read_text("utf-8")
    heat.template = yaml.load(text, yaml.CSafeLoader)
    heat.parameters = {
        "OS::stack_name": STACK, "OS::stack_id": "x",
        **{name: str(item["default"]) for name, item in heat.template["parameters"].items()},
    }  # fmt: skip
    return heat
