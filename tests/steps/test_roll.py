# SPDX-License-Identifier: Apache-2.0
"""Updates that change nodes in turn, on a real API server with simulated kubelets.

The steps of nodes and the conductor run as on a node, each in its sandbox.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.programs import search

from . import control_plane
from .conftest import HOT, Result, Sandbox
from .control_plane import ApiError, ControlPlane, Kubelets

BLOCK = HOT / "blocks/orchestration/kubernetes"
OLD, NEW = "1.36.3", "1.37.2"
IMAGE = "registry.k8s.io/coredns/coredns:v1.12.4"
NODES = {"control": ("demo-control-0",), "worker": ("demo-worker-0", "demo-worker-1")}
NODES |= {"spare": ("demo-spare-0",)}
GROUPS = {name: group for group, names in NODES.items() for name in names}

# A step like orchestration/node: it changes the version of the simulated kubelet.
STEP = """#!/bin/bash
set -euo pipefail
source "$HEATGEN_LIB/step.sh"
by_turn
[ "$FLAGS" != --unknown ] || { : >"$KUBELET" && fail "kubelet: unknown flag --unknown"; }
printf 'v%s' "$KUBERNETES_VERSION" >"$KUBELET"
echo "The kubelet runs."
"""
NODE = """
mkdir -p /run/stub /etc/kubernetes/pki /var/lib/heatgen/applied /var/lib/heatgen-agent
printf '#!/bin/bash\\n' >/run/stub/systemctl
chmod +x /run/stub/systemctl
export PATH=/run/stub:$PATH
cp "$PKI/ca.crt" /etc/kubernetes/pki/ca.crt
cp "$PKI/$NAME.crt" /etc/kubernetes/pki/kubelet-client.crt
cp "$PKI/$NAME.key" /etc/kubernetes/pki/kubelet-client.key
echo "cluster: {server: '$SERVER'}" >/etc/kubernetes/kubelet.kubeconfig
echo "$NAME" >/var/lib/heatgen/node-name
applied=/var/lib/heatgen/applied/orchestration-node
[ -e $applied ] || echo old >$applied
"""
SWITCH = (
    'export HEATGEN_LIB; heat_outputs_path=/run/switch; source "$HEATGEN_LIB/step.sh"; serve_turns'
)
CONDUCTOR = """
export HOME=/run # cache of kubectl
mkdir -p /opt/heatgen/bin /etc/kubernetes/pki
ln -sfn "$KUBECTL" /opt/heatgen/bin/kubectl
cp "$PKI"/{ca.crt,bootstrap.crt,bootstrap.key} /etc/kubernetes/pki
cp "$PKI/kubeconfig" /etc/kubernetes/bootstrap.kubeconfig
"""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Yield a control plane; skip the tests if its programs are missing."""
    search("kubectl")["kubectl"]
    with control_plane.running(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@dataclass
class Cluster:
    """Nodes on the control plane."""

    plane: ControlPlane
    kubelets: Kubelets
    folder: Path
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    switches: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    turns: dict[str, str] = field(default_factory=dict)
    rolls: str = "control 1 minor 30\nworker 1 minor 30\nspare 1 minor 30"
    own: dict[str, str] = field(default_factory=dict)
    """Groups with a version of their own."""

    def stage(self, version: str, flags: str = "") -> None:
        """Run the step on all nodes, as Heat does in an update."""
        for name, sandbox in self.sandboxes.items():
            self.stop_switch(name)
            script = sandbox.folder / "script"
            script.write_text(STEP)
            script.chmod(0o755)
            wanted = self.own.get(GROUPS[name], version)
            result = self.on_node(name, f"exec {script}", wanted, flags)
            assert result.status == 0, result.stderr
            self.turns[name] = result.outputs["turn"]
            if self.turns[name]:
                self.start_switch(name)

    def on_node(self, name: str, command: str, version: str = "", flags: str = "") -> Result:
        """Run commands on a node."""
        sandbox = self.sandboxes[name]
        script = sandbox.folder / "node.sh"
        script.write_text(f"#!/bin/bash\nset -eu\n{NODE}\n{command}\n")
        return sandbox.run(
            script,
            HEATGEN_STEP="orchestration/node",
            KUBERNETES_VERSION=version,
            FLAGS=flags,
            KUBELET=str(self.kubelets.folder / name),
            PKI=str(self.plane.folder),
            NAME=name,
            SERVER=self.plane.url,
        )

    def start_switch(self, name: str) -> None:
        """Start heatgen-switch on a node."""
        sandbox = self.sandboxes[name]
        script = sandbox.folder / "switch.sh"
        script.write_text(f"#!/bin/bash\n{SWITCH}\n")
        self.switches[name] = subprocess.Popen(
            [Path(__file__).parent / "sandbox.sh", sandbox.folder / "system", "/bin/bash", script],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HEATGEN_LIB": str(HOT / "lib")},
            stdout=(sandbox.folder / "switch.log").open("ab"),
            stderr=subprocess.STDOUT,
        )

    def stop_switch(self, name: str) -> None:
        """Stop heatgen-switch, as before a restart of the node."""
        if process := self.switches.pop(name, None):
            process.kill()
            process.wait()

    def conduct(self, version: str, prefix: str = "") -> Result:
        """Run orchestration/ready."""
        sandbox = Sandbox(self.folder / "conductor", timeout=400)
        sandbox.folder.mkdir(exist_ok=True)
        script = sandbox.folder / "ready.sh"
        script.write_text(
            f"#!/bin/bash\nset -eu\n{CONDUCTOR}\n{prefix}\nexec {BLOCK}/30-ready.sh\n"
        )
        names = {
            group: {str(index): name for index, name in enumerate(members)}
            for group, members in NODES.items()
        }
        turns = {
            group: {index: self.turns.get(name, "") for index, name in members.items()}
            for group, members in names.items()
        }
        return sandbox.run(
            script,
            KUBECTL=str(search("kubectl")["kubectl"]),
            PKI=str(self.plane.folder),
            NAMES=names,
            REGISTRATIONS={group: dict.fromkeys(members, "|") for group, members in names.items()},
            CONTROL_TRUST_REVISION="1",
            KUBERNETES_VERSION=version,
            COREDNS_MANIFEST=f'{{"image": "{IMAGE}"}}',
            RESTORED="",
            ROLL=(BLOCK / "roll.sh").read_text(),
            ROLLS="\n".join(
                f"{line} {self.own.get(line.split()[0], version)}"
                for line in self.rolls.splitlines()
            ),
            TURNS={"orchestration-node": turns},
        )

    def versions(self) -> list[str]:
        """Return the versions of the kubelets, in the order of the nodes."""
        nodes = (self.plane.node(name) for name in GROUPS)
        return [node["status"]["nodeInfo"]["kubeletVersion"][1:] for node in nodes]

    def cordoned(self) -> list[str]:
        """Return the names of nodes that are cordoned."""
        nodes = self.plane.items("/api/v1/nodes")
        return [node["metadata"]["name"] for node in nodes if node["spec"].get("unschedulable")]

    def soft_taints(self) -> int:
        """Return the number of nodes that have not had their turn."""
        nodes = self.plane.items("/api/v1/nodes")
        taints = [taint for node in nodes for taint in node["spec"].get("taints", [])]
        return sum(taint["key"] == "heatgen/roll" for taint in taints)

    def budget(self, unavailable: int) -> None:
        """Create or change the disruption budget of the workload."""
        path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
        selector = {"matchLabels": {"app": "shop"}}
        body = {
            "metadata": {"name": "shop-budget"},
            "spec": {"maxUnavailable": unavailable, "selector": selector},
        }
        try:
            self.plane.request("POST", path, body)
        except ApiError:
            self.plane.request("PATCH", f"{path}/shop-budget", {"spec": body["spec"]})
        wait_until(lambda: self.disruptions() == unavailable)

    def disruptions(self) -> int:
        """Return how many disruptions the budget allows."""
        path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/shop-budget"
        status = self.plane.request("GET", path).get("status", {})
        return int(status.get("disruptionsAllowed", -1))

    def available(self) -> int:
        """Return the number of available replicas of the workload."""
        path = "/apis/apps/v1/namespaces/default/deployments/shop"
        return int(self.plane.request("GET", path)["status"].get("availableReplicas", 0))


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, condition
        time.sleep(0.1)


def deployment(name: str, replicas: int, image: str, tolerations: list[Any]) -> dict[str, Any]:
    """Return a Deployment."""
    labels = {"app": name}
    container = {"name": "main", "image": image}
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "tolerations": tolerations},
            },
        },
    }


@pytest.fixture
def cluster(plane: ControlPlane, tmp_path: Path, sandbox: Sandbox) -> Iterator[Cluster]:
    """Yield a cluster of the old version with a workload, and remove it afterwards."""
    kubelets = Kubelets(plane, tmp_path / "kubelets")
    found = Cluster(plane, kubelets, tmp_path)
    for name, group in GROUPS.items():
        plane.certificate(name, f"/O=system:nodes/CN=system:node:{name}")
        kubelets.register(name, f"v{OLD}", {"heatgen/group": group})
        folder = tmp_path / name
        folder.mkdir()
        found.sandboxes[name] = Sandbox(folder)
    kubelets.start()
    apps = "/apis/apps/v1/namespaces"
    plane.request("POST", f"{apps}/default/deployments", deployment("shop", 3, "shop:1", []))
    plane.request("POST", f"{apps}/kube-system/deployments", deployment("coredns", 2, IMAGE, []))
    wait_until(lambda: found.available() == 3)
    yield found
    for name in list(found.switches):
        found.stop_switch(name)
    for path in (
        f"{apps}/default/deployments/shop",
        f"{apps}/kube-system/deployments/coredns",
        "/apis/policy/v1/namespaces/default/poddisruptionbudgets/shop-budget",
        "/api/v1/namespaces/kube-system/configmaps/heatgen-roll",
    ):
        with suppress(ApiError):
            plane.request("DELETE", path, {"propagationPolicy": "Background"})
    for kind in ("replicasets",):
        for space in ("default", "kube-system"):
            plane.request("DELETE", f"{apps}/{space}/{kind}")
    kubelets.stop()
    for space in ("default", "kube-system"):
        pods = f"/api/v1/namespaces/{space}/pods?gracePeriodSeconds=0"
        plane.request("DELETE", pods)
    plane.request("DELETE", "/api/v1/nodes")


class Watch(threading.Thread):
    """Observes the cluster during an update."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(daemon=True)
        self.cluster, self.ended = cluster, threading.Event()
        self.cordoned: list[tuple[str, ...]] = []
        self.available = 99

    def run(self) -> None:
        """Observe until the end."""
        while not self.ended.wait(0.1):
            with suppress(ApiError, OSError):
                now = tuple(sorted(self.cluster.cordoned()))
                if not self.cordoned or self.cordoned[-1] != now:
                    self.cordoned.append(now)
                self.available = min(self.available, self.cluster.available())

    def stop(self) -> None:
        """End the observation."""
        self.ended.set()
        self.join()


def test_minor_upgrade(cluster: Cluster) -> None:
    """Nodes change one after the other, drained, and the disruption budget is kept."""
    cluster.budget(1)
    cluster.stage(NEW)
    assert cluster.versions() == [OLD] * 4
    watch = Watch(cluster)
    watch.start()
    result = cluster.conduct(NEW)
    watch.stop()
    assert result.status == 0, result.problem
    assert result.stdout.endswith("available; 4 nodes have had their turn.\n")
    assert cluster.versions() == [NEW] * 4
    assert (cluster.cordoned(), cluster.soft_taints()) == ([], 0)
    # The control plane first, then the groups in their order in cluster.yaml.
    assert [names for names in watch.cordoned if names] == [(name,) for name in GROUPS]
    assert watch.available >= 2
    annotations = [cluster.plane.node(name)["metadata"]["annotations"] for name in GROUPS]
    assert not [item for item in annotations if "heatgen/cordoned" in item]
    # Again, as after an update of something else: no node changes.
    watch = Watch(cluster)
    watch.start()
    assert cluster.conduct(NEW).status == 0
    watch.stop()
    assert watch.cordoned == [()]


def test_budget_without_disruptions(cluster: Cluster) -> None:
    """A node that cannot be drained stops the update, which names budget and node; others wait."""
    cluster.rolls = cluster.rolls.replace(" 30", " 10")
    cluster.budget(0)
    cluster.stage(NEW)
    result = cluster.conduct(NEW)
    assert result.status == 1
    workers = NODES["worker"] + NODES["spare"] + NODES["control"]
    blocked = next(name for name in workers if f"node {name} cannot be drained" in result.problem)
    assert "The disruption budget shop-budget needs 3 healthy pods and has 3" in result.problem
    assert "was not evicted within 10 s: " in result.problem
    assert result.problem.endswith("Remove the cause, then update the stack")
    # Nothing has changed on this node, so it is not cordoned.
    assert (cluster.cordoned(), cluster.soft_taints()) == ([], 0)
    done = [
        name for name, version in zip(GROUPS, cluster.versions(), strict=True) if version == NEW
    ]
    assert done == list(GROUPS)[: list(GROUPS).index(blocked)]
    assert f"{len(done)} of 4 nodes have had their turn" in result.problem
    cluster.budget(1)
    result = cluster.conduct(NEW)
    assert result.status == 0, result.problem
    assert cluster.versions() == [NEW] * 4


def test_broken_version(cluster: Cluster) -> None:
    """A version that does not start breaks one node, also if repeated, and can be taken back."""
    cluster.rolls = cluster.rolls.replace("minor", "never")
    cluster.stage(NEW, "--unknown")
    for _ in range(2):
        result = cluster.conduct(NEW)
        assert result.status == 1
        assert "node demo-control-0 kubelet: unknown flag --unknown" in result.problem
        assert "0 of 4 nodes have had their turn, the others are unchanged" in result.problem
        assert cluster.cordoned() == ["demo-control-0"]
        assert cluster.versions() == [OLD] * 4
        assert cluster.soft_taints() == 0
        broken = [name for name in GROUPS if not (cluster.kubelets.folder / name).read_text()]
        assert broken == ["demo-control-0"]
    cluster.stage(OLD)
    result = cluster.conduct(OLD)
    assert result.status == 0, result.problem
    assert cluster.versions() == [OLD] * 4
    assert cluster.cordoned() == []
    assert all((cluster.kubelets.folder / name).read_text() == f"v{OLD}" for name in GROUPS)


def test_interrupted_conductor(cluster: Cluster) -> None:
    """If the conductor is killed during a turn, the next run ends this turn before all others."""
    cluster.rolls = "control 1 never 10\nworker 2 never 10\nspare 1 never 10"
    cluster.stage(NEW)
    for name in NODES["worker"] + NODES["spare"]:
        cluster.stop_switch(name)
    # The first turn ends; that of the first worker begins, and the conductor is killed.
    began = (
        '"$KUBECTL" --kubeconfig "$PKI/kubeconfig" get node demo-worker-0 -o yaml | grep -q n/turn'
    )
    result = cluster.conduct(NEW, f"(until {began}; do sleep 0.5; done; kill -KILL $$) &\n")
    assert result.status == -9
    assert cluster.cordoned() == ["demo-worker-0"]
    # Meanwhile the servers were restarted; on the control plane nothing waits any more.
    for name in NODES["worker"] + NODES["spare"]:
        cluster.start_switch(name)
    watch = Watch(cluster)
    watch.start()
    result = cluster.conduct(NEW)
    watch.stop()
    assert result.status == 0, result.problem
    assert cluster.versions() == [NEW] * 4
    assert watch.cordoned[0] == ("demo-worker-0",)
    assert "; 3 nodes have had their turn" in result.stdout


def test_taken_back_to_a_recorded_version(cluster: Cluster) -> None:
    """A former version is applied again after a failure; a node that was cordoned stays so."""
    schedulable = {"spec": {"unschedulable": True}}
    cluster.plane.request("PATCH", "/api/v1/nodes/demo-worker-1", schedulable)
    cluster.rolls = "control 1 never 10\nworker 2 never 10\nspare 1 never 10"
    cluster.stage(OLD)
    assert cluster.conduct(OLD).status == 0
    cluster.stage(NEW, "--unknown")
    assert cluster.conduct(NEW).status == 1
    cluster.stage(OLD)
    result = cluster.conduct(OLD)
    assert result.status == 0, result.problem
    assert "; 1 nodes have had their turn" in result.stdout
    assert (cluster.kubelets.folder / "demo-control-0").read_text() == f"v{OLD}"
    cluster.stage(NEW)
    result = cluster.conduct(NEW)
    assert result.status == 0, result.problem
    assert (cluster.versions(), cluster.cordoned()) == ([NEW] * 4, ["demo-worker-1"])


def test_group_with_its_own_version(cluster: Cluster) -> None:
    """A group that keeps the former version has no turn, and later one of its own."""
    cluster.rolls = cluster.rolls.replace("minor", "never")
    cluster.stage(OLD)
    assert cluster.conduct(OLD).status == 0
    cluster.own["worker"] = OLD
    cluster.stage(NEW)
    result = cluster.conduct(NEW)
    assert result.status == 0, result.problem
    assert cluster.versions() == [NEW, OLD, OLD, NEW]
    assert "; 2 nodes have had their turn" in result.stdout


def process_of(folder: Path) -> tuple[int, dict[str, str]]:
    """Return id and environment of the step that runs with inputs in a folder."""
    for path in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with suppress(OSError):
            pairs = [item for item in (path / "environ").read_text().split("\0") if "=" in item]
            environment = dict(item.split("=", 1) for item in pairs)
            command = (path / "cmdline").read_text()
            if "30-ready.sh" in command and environment["heat_inputs_path"] == f"{folder}/inputs":
                return int(path.name), environment
    raise AssertionError(f"no step runs with {folder}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can enter a mount namespace")
def test_second_conductor_takes_over(cluster: Cluster, tmp_path: Path) -> None:
    """After a timeout of the stack, the next run ends the former one and continues its turn."""
    cluster.rolls = cluster.rolls.replace("minor", "never")
    cluster.stage(NEW)
    cluster.stop_switch("demo-control-0")
    results: list[Result] = []
    former = threading.Thread(target=lambda: results.append(cluster.conduct(NEW)), daemon=True)
    former.start()
    annotations = "/api/v1/nodes/demo-control-0"
    wait_until(
        lambda: (
            "heatgen/turn"
            in cluster.plane.request("GET", annotations)["metadata"].get("annotations", {})
        )
    )
    process, environment = process_of(cluster.folder / "conductor")
    environment["heat_outputs_path"] = str(tmp_path / "second")
    second = subprocess.Popen(
        ["nsenter", f"--mount=/proc/{process}/ns/mnt", BLOCK / "30-ready.sh"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    former.join(60)
    assert [result.problem for result in results] == ["another run of this step has taken over"]
    assert cluster.cordoned() == ["demo-control-0"]
    cluster.start_switch("demo-control-0")
    output, errors = second.communicate(timeout=300)
    assert second.returncode == 0, errors
    assert output.endswith("; 4 nodes have had their turn.\n")
    assert (cluster.versions(), cluster.cordoned()) == ([NEW] * 4, [])
