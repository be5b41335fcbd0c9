# SPDX-License-Identifier: Apache-2.0
"""Updates that change nodes in turn, with clients that send five requests per second meanwhile."""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from lab.harness import cluster as clusters
from lab.harness import controller
from lab.harness.cluster import Cluster
from lab.harness.polling import PollResults, from_outside, poll
from lab.harness.workload import IMAGE, NAMESPACE, PORT

FILES = ("cluster.yaml", "cluster.lock.yaml", "generated.yaml")
API_SECONDS = 10.0
MOST_FAILED = 0.01
REPLICAS = 6
DRAIN_SECONDS = 60
BUDGET = "shop-budget"

Change = Callable[[dict[str, Any]], None]


@dataclass
class Upgrades:
    """The cluster, and the files that describe its current version."""

    cluster: Cluster
    original: Path
    """Directory with copies of the original files."""
    applied: dict[str, Any] | None = None
    """What the last successful update applied."""

    @classmethod
    def of(cls, cluster: Cluster, original: Path) -> "Upgrades":
        """Copy the files of the cluster."""
        for name in FILES:
            with suppress(FileNotFoundError):
                shutil.copy(cluster.directory / name, original)
        return cls(cluster, original)

    def write(self, change: Change) -> None:
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
        self.applied = None
        output = controller.inside("bash", "-c", words, check=check).decode(errors="replace")
        self.applied = yaml.safe_load(self.file.read_text()) if check else None
        return output if check else output + controller.failures(self.cluster.name)

    def restore(self) -> None:
        """Restore the files and the version of the cluster."""
        self.cluster.kubectl(
            "delete", "pdb", BUDGET, "-n", NAMESPACE, "--ignore-not-found", check=False
        )
        for name in FILES:
            if (self.original / name).exists():
                shutil.copy(self.original / name, self.cluster.directory)
        if self.applied != yaml.safe_load(self.file.read_text()):
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


@contextmanager
def shop(cluster: Cluster, directory: Path) -> Iterator[str]:
    """Create a Deployment with a disruption budget and a Service; yield the Service's address."""
    file = directory / "shop.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects()}))
    cluster.kubectl("apply", "-f", str(file))
    words = ["rollout", "status", "deployment/shop", "-n", NAMESPACE, "--timeout=180s"]
    cluster.kubectl(*words, "--request-timeout=0")
    service = cluster.get_json("get", "service", "shop", "-n", NAMESPACE)
    yield str(service["spec"]["clusterIP"])
    cluster.kubectl("delete", "-f", str(file), "--wait=false", check=False)


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
    """What was observed during an update, twice a second."""

    cordoned: set[tuple[str, ...]] = field(default_factory=set)
    seen: dict[str, tuple[float, float]] = field(default_factory=dict)
    """When a node was first and last seen cordoned, in seconds of a steady clock."""
    fewest: int = REPLICAS

    def take(self, upgrades: Upgrades) -> None:
        """Observe; an API server that restarts is not observed."""
        with suppress(Exception):
            self.add(upgrades.cordoned(), time.monotonic())
            deployment = upgrades.cluster.get_json("get", "deployment", "shop", "-n", NAMESPACE)
            self.fewest = min(self.fewest, deployment["status"].get("availableReplicas", 0))

    def add(self, cordoned: Iterable[str], now: float) -> None:
        """Add the nodes that are cordoned now."""
        names = tuple(sorted(cordoned))
        self.cordoned.add(names)
        for name in names:
            self.seen[name] = (self.seen.get(name, (now, now))[0], now)

    @property
    def seconds(self) -> dict[str, float]:
        """How long each node was cordoned, in the order of the turns."""
        return {name: round(last - first, 1) for name, (first, last) in self.seen.items()}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """An update, and what clients and the disruption budget noticed."""

    title: str
    seconds: float
    output: str
    """Output of `heatgen update`."""
    samples: Samples
    results: PollResults

    def check(self) -> None:
        """Check one node at a time, the disruption budget, the API and the Service."""
        assert max(map(len, self.samples.cordoned)) <= 1
        assert self.samples.fewest >= REPLICAS - 1
        for target in self.results.seen:
            assert self.results.outage(target) <= API_SECONDS, str(self.results)
        failed = self.results.failures("shop")
        assert failed <= MOST_FAILED * self.results.requests("shop"), str(self.results)

    def row(self) -> list[str]:
        """Return the update's row of `table`."""
        targets = [target for target in self.results.seen if target != "shop"]
        turns = " ".join(f"{value:.0f}" for value in self.samples.seconds.values())
        return [
            self.title,
            f"{self.seconds:.0f}",
            turns or "-",
            f"{max(map(self.results.outage, targets)):.1f}",
            f"{self.results.outage('shop'):.1f}",
            f"{self.results.failures('shop')}/{self.results.requests('shop')}",
            str(self.samples.fewest),
        ]


COLUMNS = (
    "update", "seconds", "seconds per node", "API silent", "Service silent", "errors",
    "fewest pods",
)  # fmt: skip


def table(measurements: Iterable[Measurement]) -> str:
    """Return a table of updates."""
    rows = [list(COLUMNS), *(each.row() for each in measurements)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def measure(
    upgrades: Upgrades, address: str, directory: Path, title: str, change: Change
) -> Measurement:
    """Change the cluster, with requests to the API and to the Service at an address."""
    cluster = upgrades.cluster
    identity = clusters.write_identity(cluster, directory / "identity")
    upgrades.write(change)
    samples = Samples()
    service = {"name": "shop", "url": f"http://{address}/hostname"}
    places = [
        (None, from_outside(cluster, identity, NAMESPACE)),
        (cluster.control[0], [service]),
    ]
    began = time.monotonic()
    with (
        poll(*places) as results,
        controller.periodically(partial(samples.take, upgrades), 0.5, patience=30),
    ):
        output = upgrades.update()
    return Measurement(
        title=title,
        seconds=time.monotonic() - began,
        output=output,
        samples=samples,
        results=results,
    )


def version(wanted: str, drain: str = "minor", emulate: str = "") -> Change:
    """Return a change of version, and of how nodes are drained."""

    def change(spec: dict[str, Any]) -> None:
        orchestration = spec.setdefault("orchestration", {})
        orchestration["version"] = wanted
        orchestration["emulate"] = emulate
        for group in spec["workers"]:
            group["roll"] = {"drain": drain, "drain_seconds": DRAIN_SECONDS}

    return change


def version_of_workers(wanted: str) -> Change:
    """Return a change of the version of all workers, which are in groups with a name."""

    def change(spec: dict[str, Any]) -> None:
        for group in spec["workers"]:
            group["version"] = wanted

    return change


def original(_: dict[str, Any]) -> None:
    """Change nothing: return to the original cluster."""
