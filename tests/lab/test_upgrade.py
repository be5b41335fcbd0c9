# SPDX-License-Identifier: Apache-2.0
"""Updates that change nodes in turn (doc/how-to/upgrade-cluster.rst), on three control-plane nodes.

The cluster is updated to another patch version of Kubernetes and back, with a Deployment and its
disruption budget, and clients that send five requests per second, each on a new connection.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.artifacts import command
from lab.artifacts.recipes import load_component
from lab.harness import controller, health, upgrades
from lab.harness.cluster import Cluster
from lab.harness.figures import Figure
from lab.harness.upgrades import BUDGET, REPLICAS, Upgrades, version
from lab.harness.workload import NAMESPACE, Workload
from tests import shown

DOCUMENT = "doc/how-to/upgrade-cluster.rst"
OLD, NEW, RELINKED = (
    load_component(command.FOLDER / "components" / name).version
    for name in ("kubernetes-previous", "kubernetes", "kubernetes-relinked")
)


def build(component: str) -> None:
    """Build a component that is built on request, and serve it."""
    assert command.main(["--out", str(controller.STATE), "--components", component]) == 0


@pytest.fixture
def relinked(ha_cluster: Cluster, healthy: Cluster, tmp_path: Path) -> Iterator[Upgrades]:
    """Provide the kubelet of the same sources with another version; restore the cluster."""
    build("kubernetes-relinked")
    found = Upgrades.of(healthy, tmp_path)
    try:
        yield found
    finally:
        found.restore()


@pytest.fixture
def previous(ha_cluster: Cluster, healthy: Cluster, tmp_path: Path) -> Iterator[Upgrades]:
    """Provide the previous version; restore the cluster afterwards."""
    build("kubernetes-previous")
    found = Upgrades.of(healthy, tmp_path)
    try:
        yield found
    finally:
        found.restore()


@pytest.fixture
def shop(ha_cluster: Cluster, work: Workload, tmp_path: Path) -> Iterator[str]:
    """Create a Deployment with a disruption budget and a Service; return the Service's address."""
    with upgrades.shop(ha_cluster, tmp_path) as address:
        yield address


def test_workers_change_in_turn(
    relinked: Upgrades, shop: str, tmp_path: Path, figure: Figure
) -> None:
    """Kubelets of workers change to another patch version and back, one node at a time."""
    workers = {node.name for node in relinked.cluster.workers}
    changes = {RELINKED: upgrades.version_of_workers(RELINKED), NEW: upgrades.original}
    for wanted, change in changes.items():
        found = upgrades.measure(relinked, shop, tmp_path, f"workers to {wanted}", change)
        print(upgrades.table([found]))
        figure(f"update of workers to {wanted}, seconds", round(found.seconds))
        found.check()
        assert f"{len(workers)} nodes change in turn" in found.output
        # Only these, each alone.
        assert found.samples.cordoned == {(), *((name,) for name in workers)}
        versions = relinked.versions()
        assert {name for name, has in versions.items() if has == wanted} >= workers
        assert {has for name, has in versions.items() if name not in workers} == {NEW}
        assert relinked.cordoned() == []


@pytest.mark.long
def test_nodes_change_in_turn(
    previous: Upgrades, shop: str, tmp_path: Path, figure: Figure
) -> None:
    """One node is cordoned at a time, the budget is kept, API and Service stay available."""
    cluster = previous.cluster
    for wanted in (OLD, NEW):
        change = version(wanted, "always")
        found = upgrades.measure(previous, shop, tmp_path, wanted, change)
        print(upgrades.table([found]))
        figure(f"update to {wanted}, seconds", round(found.seconds))
        figure(f"during the update to {wanted}", found.results.seen)
        assert f"{len(cluster.nodes)} nodes change in turn" in found.output
        assert set(previous.versions().values()) == {wanted}
        assert previous.cordoned() == []
        assert max(map(len, found.samples.cordoned)) == 1
        found.check()
    health.run_suite(cluster.name, cluster.directory)


@pytest.mark.long
def test_budget_that_allows_nothing(previous: Upgrades, shop: str) -> None:
    """The update stops at the node, names the budget, and continues when it is free."""
    cluster = previous.cluster
    patch = '{"spec": {"maxUnavailable": 0}}'
    cluster.kubectl("patch", "pdb", BUDGET, "-n", NAMESPACE, "--type=merge", "-p", patch)
    previous.write(version(OLD, "always"))
    output = previous.update(check=False)
    assert f"The disruption budget {BUDGET} needs {REPLICAS} healthy pods" in output
    assert any(f"node {node.name} cannot be drained" in output for node in cluster.workers)
    assert previous.cordoned() == []
    assert NEW in previous.versions().values()
    patch = '{"spec": {"maxUnavailable": 1}}'
    cluster.kubectl("patch", "pdb", BUDGET, "-n", NAMESPACE, "--type=merge", "-p", patch)
    controller.update(cluster.name)
    assert set(previous.versions().values()) == {OLD}


@pytest.mark.long
def test_setting_that_the_kubelet_refuses(previous: Upgrades) -> None:
    """One node fails, also if the update is repeated; the former setting repairs it."""
    cluster = previous.cluster

    def break_kubelet(spec: dict[str, Any]) -> None:
        spec["overrides"]["kubelet"]["featureGates"] = {"HeatgenTestUnknown": True}

    first = cluster.control[0].name
    previous.write(break_kubelet)
    for _ in range(2):
        output = previous.update(check=False)
        assert f"node {first} " in output
        assert f"0 of {len(cluster.nodes)} nodes have had their turn" in output
        assert previous.cordoned() == [first]
        states = health.node_states(cluster)
        assert [name for name, state in states.items() if state != "True"] in ([], [first])
        others = [node for node in cluster.nodes if node.name != first]
        assert all(node.process("kubelet") for node in others)
    previous.restore()
    health.wait_healthy(cluster)
    assert previous.cordoned() == []


@pytest.mark.long
def test_commands_of_the_document(previous: Upgrades) -> None:
    """The commands of the guide work; nothing changes."""
    cluster = previous.cluster
    config = f"--kubeconfig {cluster.directory}/kubeconfig"
    for line in shown.runnable(DOCUMENT):
        words = re.sub(r" demo\b", f" {cluster.name}", line).replace(
            "kubectl ", f"kubectl {config} "
        )
        controller.inside("bash", "-c", words, directory=cluster.directory)
