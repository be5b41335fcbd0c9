# SPDX-License-Identifier: Apache-2.0
"""Updates that change nodes in turn (doc/how-to/upgrade-cluster.rst), on three control-plane nodes.

The cluster is updated to the previous patch version of Kubernetes and back, with a Deployment and
its disruption budget, and clients that send five requests per second, each on a new connection.
"""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.artifacts import command
from lab.artifacts.recipes import load_component
from lab.harness import cluster as clusters
from lab.harness import controller, health
from lab.harness.cluster import Cluster
from lab.harness.figures import Figure
from lab.harness.polling import from_outside, poll
from lab.harness.workload import IMAGE, NAMESPACE, PORT, Workload
from tests import shown

pytestmark = pytest.mark.long

DOCUMENT = "doc/how-to/upgrade-cluster.rst"
FILES = ("cluster.yaml", "cluster.lock.yaml", "generated.yaml")
OLD, NEW = (
    load_component(command.FOLDER / "components" / name).version
    for name in ("kubernetes-previous", "kubernetes")
)
API_SECONDS = 10.0
MOST_FAILED = 0.01
REPLICAS = 6
DRAIN_SECONDS = 60
BUDGET = "shop-budget"


@dataclass
class Upgrades:
    """The cluster, and the files that describe its current version."""

    cluster: Cluster
    original: Path
    """Directory with copies of the original files."""

    def write(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Write and lock the original cluster with a change."""
        spec = yaml.safe_load((self.original / "cluster.yaml").read_text())
        change(spec)
        self.file.write_text(yaml.safe_dump(spec))
        controller.inside("heatgen", "lock", self.file)

    @property
    def file(self) -> Path:
        """The file of the cluster."""
        return self.cluster.directory / "cluster.yaml"

    def update(self, *, check: bool = True) -> str:
        """Update the stack to the file; return what the command prints, and failures of Heat."""
        words = f"heatgen update {self.file} --stack {self.cluster.name} --yes 2>&1"
        output = controller.inside("bash", "-c", words, check=check).decode(errors="replace")
        return output if check else output + controller.failures(self.cluster.name)

    def restore(self) -> None:
        """Restore the files and the version of the cluster."""
        for name in FILES:
            if (self.original / name).exists():
                shutil.copy(self.original / name, self.cluster.directory)
        self.update()

    def versions(self) -> dict[str, str]:
        """Return the version of each kubelet."""
        nodes = self.cluster.get_json("get", "nodes")["items"]
        return {
            node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"][1:]
            for node in nodes
        }

    def cordoned(self) -> list[str]:
        """Return the nodes that are cordoned."""
        nodes = self.cluster.get_json("get", "nodes")["items"]
        return [node["metadata"]["name"] for node in nodes if node["spec"].get("unschedulable")]


@pytest.fixture
def upgrades(ha_cluster: Cluster, healthy: Cluster, tmp_path: Path) -> Iterator[Upgrades]:
    """Provide the previous version; restore the cluster afterwards."""
    options = ["--out", str(controller.STATE), "--components", "kubernetes-previous"]
    assert command.main(options) == 0
    for name in FILES:
        with suppress(FileNotFoundError):
            shutil.copy(healthy.directory / name, tmp_path)
    found = Upgrades(healthy, tmp_path)
    try:
        yield found
    finally:
        healthy.kubectl("delete", "pdb", BUDGET, "-n", NAMESPACE, "--ignore-not-found", check=False)
        found.restore()


@pytest.fixture
def shop(ha_cluster: Cluster, work: Workload, tmp_path: Path) -> Iterator[str]:
    """Create a Deployment with a disruption budget and a Service; return the Service's address."""
    file = tmp_path / "shop.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects()}))
    ha_cluster.kubectl("apply", "-f", str(file))
    words = ["rollout", "status", "deployment/shop", "-n", NAMESPACE, "--timeout=180s"]
    ha_cluster.kubectl(*words, "--request-timeout=0")
    service = ha_cluster.get_json("get", "service", "shop", "-n", NAMESPACE)
    yield str(service["spec"]["clusterIP"])
    ha_cluster.kubectl("delete", "-f", str(file), "--wait=false", check=False)


def objects() -> list[dict[str, Any]]:
    """Return Deployment, Service and disruption budget."""
    labels = {"app": "shop"}
    container = {
        "name": "shop",
        "image": IMAGE,
        "args": ["netexec", f"--http-port={PORT}"],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1},
        # Connections that are routed here for a moment are still accepted.
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
        "securityContext": {
            "runAsNonRoot": True, "runAsUser": 65534, "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        },
    }  # fmt: skip
    metadata = {"namespace": NAMESPACE}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": template}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop", **metadata},
         "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop", **metadata},
         "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": PORT}]}},
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
         "metadata": {"name": BUDGET, **metadata},
         "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}}},
    ]  # fmt: skip


@dataclass
class Samples:
    """What was observed during an update."""

    cordoned: set[tuple[str, ...]] = field(default_factory=set)
    fewest: int = REPLICAS

    def take(self, upgrades: Upgrades) -> None:
        """Observe; an API server that restarts is not observed."""
        with suppress(Exception):
            self.cordoned.add(tuple(sorted(upgrades.cordoned())))
            shop = upgrades.cluster.get_json("get", "deployment", "shop", "-n", NAMESPACE)
            self.fewest = min(self.fewest, shop["status"].get("availableReplicas", 0))


def version(wanted: str, drain: str) -> Callable[[dict[str, Any]], None]:
    """Return a change of version, and of how nodes are drained."""

    def change(spec: dict[str, Any]) -> None:
        spec.setdefault("orchestration", {})["version"] = wanted
        for group in spec["workers"]:
            group["roll"] = {"drain": drain, "drain_seconds": DRAIN_SECONDS}

    return change


def test_nodes_change_in_turn(
    upgrades: Upgrades, shop: str, tmp_path: Path, figure: Figure
) -> None:
    """One node is cordoned at a time, the budget is kept, API and Service stay available."""
    cluster = upgrades.cluster
    identity = clusters.write_identity(cluster, tmp_path / "identity")
    service = {"name": "shop", "url": f"http://{shop}/hostname"}
    places = [
        (None, from_outside(cluster, identity, NAMESPACE)),
        (cluster.control[0], [service]),
    ]
    for wanted in (OLD, NEW):
        upgrades.write(version(wanted, "always"))
        samples = Samples()
        began = time.monotonic()
        with (
            poll(*places) as results,
            controller.periodically(partial(samples.take, upgrades), 0.5, patience=30),
        ):
            output = upgrades.update()
        figure(f"update to {wanted}, seconds", round(time.monotonic() - began))
        figure(f"during the update to {wanted}", results.seen)
        assert f"{len(cluster.nodes)} nodes change in turn" in output
        assert set(upgrades.versions().values()) == {wanted}
        assert upgrades.cordoned() == []
        assert max(map(len, samples.cordoned)) == 1
        assert samples.fewest >= REPLICAS - 1
        assert results.failures("shop") <= MOST_FAILED * results.requests("shop"), str(results)
        for target in results.seen:
            assert results.outage(target) <= API_SECONDS, str(results)
    health.run_suite(cluster.name, cluster.directory)


def test_budget_that_allows_nothing(upgrades: Upgrades, shop: str) -> None:
    """The update stops at the node, names the budget, and continues when it is free."""
    cluster = upgrades.cluster
    patch = '{"spec": {"maxUnavailable": 0}}'
    cluster.kubectl("patch", "pdb", BUDGET, "-n", NAMESPACE, "--type=merge", "-p", patch)
    upgrades.write(version(OLD, "always"))
    output = upgrades.update(check=False)
    assert f"The disruption budget {BUDGET} needs {REPLICAS} healthy pods" in output
    assert any(f"node {node.name} cannot be drained" in output for node in cluster.workers)
    assert upgrades.cordoned() == []
    assert NEW in upgrades.versions().values()
    patch = '{"spec": {"maxUnavailable": 1}}'
    cluster.kubectl("patch", "pdb", BUDGET, "-n", NAMESPACE, "--type=merge", "-p", patch)
    controller.update(cluster.name)
    assert set(upgrades.versions().values()) == {OLD}


def test_setting_that_the_kubelet_refuses(upgrades: Upgrades) -> None:
    """One node fails, also if the update is repeated; the former setting repairs it."""
    cluster = upgrades.cluster

    def break_kubelet(spec: dict[str, Any]) -> None:
        spec["overrides"]["kubelet"]["featureGates"] = {"HeatgenTestUnknown": True}

    first = cluster.control[0].name
    upgrades.write(break_kubelet)
    for _ in range(2):
        output = upgrades.update(check=False)
        assert f"node {first} " in output
        assert f"0 of {len(cluster.nodes)} nodes have had their turn" in output
        assert upgrades.cordoned() == [first]
        states = health.node_states(cluster)
        assert [name for name, state in states.items() if state != "True"] in ([], [first])
        others = [node for node in cluster.nodes if node.name != first]
        assert all(node.process("kubelet") for node in others)
    upgrades.restore()
    health.wait_healthy(cluster)
    assert upgrades.cordoned() == []


def test_commands_of_the_document(upgrades: Upgrades) -> None:
    """The commands of the guide work; nothing changes."""
    cluster = upgrades.cluster
    config = f"--kubeconfig {cluster.directory}/kubeconfig"
    for line in shown.runnable(DOCUMENT):
        words = re.sub(r" demo\b", f" {cluster.name}", line).replace(
            "kubectl ", f"kubectl {config} "
        )
        controller.inside("bash", "-c", words, directory=cluster.directory)
