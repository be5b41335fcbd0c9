# SPDX-License-Identifier: Apache-2.0
"""Repair and replacement of nodes with heatgen; a worker that was suspended for two days."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lab.harness import certificates, controller, etcd, health, power
from lab.harness import cluster as clusters
from lab.harness.cluster import Cluster, Node, on_all
from lab.harness.figures import Figure
from lab.harness.polling import poll
from lab.harness.workload import PORT, Workload

pytestmark = pytest.mark.long

REPAIRED_SECONDS = 600
"""From the end of the kubelet until the new node is Ready: issue 15, acceptance 5.3."""
AWAY_SECONDS = 420
"""Time after which the pods of a node have moved: 50 s until it is not Ready, then 300 s."""
RETURN_SECONDS = 300
REFUSED = 7
KILL = "systemctl disable --now kubelet.service && rm /opt/heatgen/bin/kubelet"
ETCDCTL = (
    "/opt/heatgen/bin/etcdctl --command-timeout 5s --cacert /etc/etcd/pki/ca.crt"
    " --cert /etc/etcd/pki/flannel.crt --key /etc/etcd/pki/flannel.key"
    " --endpoints https://127.0.0.1:2379"
)
SUBNETS = "/coreos.com/network/subnets"


def heatgen(cluster: Cluster, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run heatgen on the controller in the directory of the cluster, with its key."""
    done = subprocess.run(
        [str(controller.LAB), "shell", "heatgen", *words],
        cwd=cluster.directory, capture_output=True, timeout=controller.SECONDS, check=False,
    )  # fmt: skip
    print(done.stderr.decode())
    return done


def servers(cluster: Cluster) -> dict[str, str]:
    """Return the ids of the servers of the cluster, by name."""
    listed = json.loads(controller.inside("openstack", "server", "list", "-f", "json"))
    names = {node.name for node in cluster.nodes}
    return {each["Name"]: each["ID"] for each in listed if each["Name"] in names}


def not_ready(cluster: Cluster, *nodes: Node) -> None:
    """Wait until nodes are not Ready."""

    def found() -> bool:
        states = health.node_states(cluster)
        return all(states[node.name] != "True" for node in nodes)

    controller.wait_for(f"{', '.join(node.name for node in nodes)} not Ready", 120, found)


@contextmanager
def others_unchanged(cluster: Cluster, *changed: Node) -> Iterator[None]:
    """Check that other nodes keep servers and certificates, and the given ones get new servers."""
    others = [node for node in cluster.nodes if node not in changed]
    before, kept = servers(cluster), certificates.installed(others)
    yield
    after = servers(cluster)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {
        node.name for node in changed
    }
    assert certificates.installed(others) == kept
    if changed:
        # A new worker has another address.
        controller.ssh_command.cache_clear()


def schedulable(cluster: Cluster) -> None:
    """Check that no worker is cordoned or has a taint of heatgen."""
    for node in cluster.workers:
        spec = cluster.get_json("get", "node", node.name)["spec"]
        assert not spec.get("unschedulable"), node.name
        assert "out-of-service" not in json.dumps(spec), node.name
        assert "heatgen/leaving" not in json.dumps(spec), node.name


def pod_returns(work: Workload, node: Node) -> None:
    """Wait until the DaemonSet has a pod with an address on a node."""

    def found() -> str:
        try:
            return work.pod_on(node)
        except KeyError:
            return ""

    controller.wait_for(f"a pod on {node.name}", 60, found)


def test_a_worker_without_kubelet_is_repaired(
    healthy: Cluster, work: Workload, figure: Figure
) -> None:
    """It is rebooted, then replaced, within ten minutes; others are not affected."""
    lost, *rest = healthy.workers
    client = rest[0] if rest else healthy.control[0]
    outputs: list[str] = []
    with others_unchanged(healthy, lost), poll((client, [work.target()])) as results:
        before = servers(healthy)[lost.name]
        start = time.monotonic()
        lost.run(KILL)

        # As cron would do it.
        def repaired() -> bool:
            done = heatgen(healthy, "repair", healthy.name)
            outputs.append(done.stderr.decode())
            assert done.returncode == 0, outputs[-1]
            return servers(healthy)[lost.name] != before

        controller.wait_for(f"{lost.name} is replaced", 2 * REPAIRED_SECONDS, repaired, pause=15)
        seconds = time.monotonic() - start
        health.wait_healthy(healthy)
    figure("worker without kubelet repaired, seconds", round(seconds, 1))
    figure("service while it is repaired", results.seen)
    text = "".join(outputs)
    assert "which is less than 300 s" in text
    assert f"node {lost.name}: not Ready after 90 s" in text
    assert f"node {lost.name}: replaced" in text
    assert seconds <= REPAIRED_SECONDS
    schedulable(healthy)
    pod_returns(work, lost)


def test_a_stopped_worker_is_started(healthy: Cluster, figure: Figure) -> None:
    """A server that has lost its power is started, and keeps its id."""
    node = healthy.workers[-1]
    with others_unchanged(healthy):
        power.cut(node)
        not_ready(healthy, node)
        start = time.monotonic()
        done = heatgen(healthy, "repair", healthy.name, "--unhealthy-after", "1")
        figure("stopped worker started, seconds", round(time.monotonic() - start, 1))
        assert done.returncode == 0
        assert "the server is stopped: start" in done.stderr.decode()
        health.wait_healthy(healthy)
    schedulable(healthy)


def test_too_many_are_unhealthy(healthy: Cluster) -> None:
    """With more than 40 % of the nodes not Ready, nothing is repaired."""
    count = len(healthy.nodes) * 4 // 10 + 1
    # Workers first; API servers do not need the kubelet of their node.
    chosen = [*healthy.workers, *reversed(healthy.control)][: max(2, count)]
    with others_unchanged(healthy):
        on_all(chosen, "systemctl stop kubelet.service")
        try:
            not_ready(healthy, *chosen)
            done = heatgen(healthy, "repair", healthy.name, "--unhealthy-after", "1")
        finally:
            on_all(chosen, "systemctl start kubelet.service")
        assert done.returncode == REFUSED
        expected = f"{len(chosen)} of {len(healthy.nodes)} nodes are not Ready, more than 40 %"
        assert expected in done.stderr.decode()
        health.wait_healthy(healthy)


def test_a_worker_is_replaced(healthy: Cluster, work: Workload, figure: Figure) -> None:
    """A healthy worker is drained and gets a new server with the same name."""
    node = healthy.workers[0]
    with others_unchanged(healthy, node):
        start = time.monotonic()
        words = ["replace", healthy.name, node.name, "--yes", "--reason", "lab test"]
        done = heatgen(healthy, *words)
        figure("worker replaced, seconds", round(time.monotonic() - start, 1))
        assert done.returncode == 0
        health.wait_healthy(healthy)
    schedulable(healthy)
    pod_returns(work, node)


def test_a_control_plane_node_is_replaced(
    healthy: Cluster, ha_cluster: Cluster, figure: Figure
) -> None:
    """A healthy control-plane node is replaced; the new member of etcd is healthy."""
    node = ha_cluster.control[-1]
    before = etcd.members(ha_cluster.control[0])
    with others_unchanged(ha_cluster, node):
        start = time.monotonic()
        done = heatgen(ha_cluster, "replace", ha_cluster.name, node.name, "--yes")
        figure("control-plane node replaced, seconds", round(time.monotonic() - start, 1))
        assert done.returncode == 0
        health.wait_healthy(ha_cluster)
    after = etcd.members(ha_cluster.control[0])
    assert after.keys() == before.keys()
    assert len([name for name in after if after[name] != before[name]]) == 1


def test_majority_of_etcd(healthy: Cluster, ha_cluster: Cluster) -> None:
    """While another control-plane node is not Ready, a healthy one is not replaced."""
    first, *_, last = ha_cluster.control
    with others_unchanged(ha_cluster):
        last.run("systemctl stop kubelet.service")
        try:
            not_ready(ha_cluster, last)
            done = heatgen(ha_cluster, "replace", ha_cluster.name, first.name, "--yes")
        finally:
            last.run("systemctl start kubelet.service")
        assert done.returncode == REFUSED
        assert "error[no-majority]" in done.stderr.decode()
        health.wait_healthy(ha_cluster)


def lease_of(cluster: Cluster, node: Node) -> tuple[str, str]:
    """Return key and value of the lease of a node's subnet."""
    printed = cluster.control[0].run(f"{ETCDCTL} get --prefix {SUBNETS}").splitlines()
    leases = dict(zip(printed[::2], printed[1::2], strict=True))
    [found] = [item for item in leases.items() if f'"{node.address}"' in item[1]]
    return found


def moved(cluster: Cluster, node: Node) -> Callable[[], bool]:
    """Return a function that returns whether Kubernetes has given up the node's pods."""

    def given_up() -> bool:
        words = ["get", "pods", "--all-namespaces", "--field-selector"]
        pods = cluster.get_json(*words, f"spec.nodeName={node.name}")["items"]
        owners = {
            owner["kind"]
            for pod in pods
            if not pod["metadata"].get("deletionTimestamp")
            for owner in pod["metadata"].get("ownerReferences", [])
        }
        return owners <= {"DaemonSet", "Node"}

    return given_up


@pytest.mark.parametrize("taken", [False, True], ids=["lease is free", "lease is taken"])
def test_a_worker_that_was_suspended(
    taken: bool, healthy: Cluster, work: Workload, figure: Figure
) -> None:
    """After two days everything works again: what expires meanwhile is removed by hand.

    The lease of its subnet expires after a day; another node may have leased it.
    """
    # Another test may have replaced it, so that its address is a new one.
    cluster = clusters.read(healthy.name)
    node, control = cluster.workers[0], cluster.control[0]
    key, value = lease_of(cluster, node)
    certificate = certificates.installed([node])
    with others_unchanged(cluster):
        power.freeze(node)
        try:
            not_ready(cluster, node)
            control.run(f"{ETCDCTL} del {key}")
            if taken:
                # An address of the network that is not in use.
                other = json.loads(value) | {"PublicIP": "192.0.2.250"}
                text = controller.quoted(json.dumps(other))
                control.run(f"{ETCDCTL} put {key} {text}")
            controller.wait_for("its pods have moved", AWAY_SECONDS, moved(cluster, node), 5.0)
        finally:
            since = time.time()
            power.thaw(node)
        start = time.monotonic()
        health.wait_return(cluster, node, since, RETURN_SECONDS)

        # The pod of the DaemonSet was not moved. Other nodes reach it again.
        def reachable() -> bool:
            pod_returns(work, node)
            url = f"http://{work.pod_on(node)}:{PORT}/hostname"
            printed = control.run(f"curl --silent --max-time 3 {url} || true")
            return printed.startswith("web-")

        controller.wait_for("its pod is reachable", RETURN_SECONDS, reachable)
        figure(
            f"suspended worker returned, {'other' if taken else 'same'} lease, seconds",
            round(time.monotonic() - start, 1),
        )
        if taken:
            control.run(f"{ETCDCTL} del {key}")
    assert (lease_of(cluster, node)[0] == key) != taken
    assert certificates.installed([node]) == certificate
    subnet = lease_of(cluster, node)[0].rpartition("/")[2].rpartition(".")[0]
    assert work.pod_on(node).startswith(f"{subnet}.")
