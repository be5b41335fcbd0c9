# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all commands: the files of a cluster, and a cloud."""

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
    """Yield the fake Heat of a cloud without other services, which all commands use."""
    monkeypatch.setattr(stack, "PAUSE", 0)
    with serving() as (served, found):
        monkeypatch.setattr(connection.Cloud, "has", lambda *_: False)
        found.connection.compute = SimpleNamespace(servers=list)
        monkeypatch.setattr(connection, "connect", lambda *_: found)
        yield served


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """Return the file of a cluster with lock and certificate request."""
    for name in ("cluster.yaml", "cluster.lock.yaml", "cluster.admin.csr", "cluster.backup.crt"):
        shutil.copy(CASE / name, tmp_path)
    return tmp_path / "cluster.yaml"


@pytest.fixture
def running(heat: Heat, cluster: Path) -> Heat:
    """Return a fake Heat with a stack of the cluster's current template."""
    text = (CASE / "generated.yaml").read_text("utf-8")
    heat.template = yaml.load(text, yaml.CSafeLoader)
    heat.parameters = {
        "OS::stack_name": STACK, "OS::stack_id": "x",
        **{name: str(item["default"]) for name, item in heat.template["parameters"].items()},
    }  # fmt: skip
    return heat
