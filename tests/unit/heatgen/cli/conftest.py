# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all commands: the files of a cluster, and a cloud."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from heatgen.cloud import connection, members, stack
from heatgen.kube import client, drain
from tests.golden.cases import CASES
from tests.unit.heatgen.support import fake_kubernetes, fake_nova
from tests.unit.heatgen.support.fake_heat import IDENTITY, STACK, Heat, serving
from tests.unit.heatgen.support.fake_kubernetes import Kubernetes
from tests.unit.heatgen.support.fake_nova import Nova

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


@pytest.fixture
def kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubernetes]:
    """Yield the API of a cluster with one control-plane node and three workers."""
    monkeypatch.setattr(drain, "POLL", 0.01)
    monkeypatch.setattr(drain, "LEAVE_SECONDS", 0.0)
    monkeypatch.setattr(members, "PAUSE", 0.01)
    monkeypatch.setattr(client, "PATIENCE", 0.0)
    with fake_kubernetes.serving(tmp_path) as state:
        state.node("demo-control-0")
        for index in range(3):
            state.node(f"demo-worker-{index}")
            state.pod(f"web-{index}", f"demo-worker-{index}")
            state.pod(f"agent-{index}", f"demo-worker-{index}", "DaemonSet")
        yield state


@pytest.fixture
def nova(running: Heat) -> Nova:
    """Return the servers of the cluster with three workers, whose next update succeeds."""
    nova = Nova()
    connection.connect(connection.Options()).connection.compute = nova
    running.parameters["worker_count"] = "3"
    fake_nova.populate(running, nova, workers=("0", "1", "2"))
    update_ends(running)
    return nova


def update_ends(heat: Heat, status: str = "COMPLETE") -> None:
    """Let the next update end, with the parameters that were sent."""
    if not heat.events:
        heat.event(STACK, "CREATE_COMPLETE")

    def end() -> None:
        sent = [body for _, path, body in heat.sent if path.endswith(f"/{IDENTITY}")]
        if status == "COMPLETE":
            heat.parameters |= sent[-1]["parameters"]
        heat.event(STACK, f"UPDATE_{status}", reason="no valid host")

    heat.then += [lambda: heat.event(STACK, "UPDATE_IN_PROGRESS"), end]
