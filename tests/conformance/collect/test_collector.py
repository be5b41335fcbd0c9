# SPDX-License-Identifier: Apache-2.0
"""Collector: waiting for probes, running them, and their arguments."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.api import pods
from conformance.api.client import ApiStatusError, Cluster, or_unavailable
from conformance.api.core_resources import with_control
from conformance.api.execute import CommandResult
from conformance.collect.collector import Collector, await_probes
from conformance.collect.probe_arguments import IDENTITIES
from conformance.deploy.creation import CreationResult, Rejection
from conformance.deploy.pod_monitor import PodMonitor
from conformance.facts.expected import NOTHING, Expectation, understand
from conformance.facts.model import NodeStatus, Services
from conformance.facts.network import Ping
from conformance.facts.serialization import from_plain
from conformance.manifests import base
from conformance.manifests.base import Run
from conformance.outcome import ConnectionLostError, InconclusiveError, Unavailable
from tests.conformance import healthy

Json = dict[str, Any]
CONTROL, ONE, TWO = healthy.NODES
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SERVICES = Services(
    web="10.96.7.7",
    web_port=80,
    node_port=30080,
    kubernetes="10.96.0.1",
    dns="10.96.0.10",
    namespace="conformance-0badcafe",
)


class StaticCluster(Cluster):
    """A cluster with pods that never change, and no other objects."""

    def __init__(self, probes: list[Json]) -> None:
        self.probes = probes
        self.reads = 0

    def now(self) -> datetime:
        """Return a fixed time."""
        return NOW

    def items(self, path: str, **_: str) -> list[Json]:
        """Return the pods."""
        self.reads += path.endswith("/pods")
        return self.probes if path.endswith("/pods") else []


def run(**changes: Any) -> Run:
    """Return a run on the healthy cluster, with changes to one node."""
    plain = healthy.facts()["nodes"]
    plain[ONE] |= changes
    nodes = list(from_plain(dict[str, NodeStatus], plain).values())
    return Run(id="0badcafe", image="image", nodes=nodes, api_servers=["https://192.0.2.10:6443"])


def probe(app: str, node: str, age: float = 5, waiting: str = "", message: str = "") -> Json:
    """Return the pod of a probe; ``waiting``: why it does not run."""
    state: Json = {"waiting": {"reason": waiting, "message": message}} if waiting else {}
    created = (NOW - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    return {
        "metadata": {
            "name": f"{app}-{node}",
            "labels": {base.APP_LABEL: app},
            "creationTimestamp": created,
        },
        "spec": {"nodeName": node},
        "status": {
            "podIP": "" if waiting else f"{healthy.NODES[node].pod}",
            "conditions": [{"type": "Ready", "status": "False" if waiting else "True"}],
            "containerStatuses": [{"state": state}],
        },
    }


def both(node: str, **state: Any) -> list[Json]:
    """Return both probes of a node."""
    return [probe(app, node, **state) for app in (base.NET_PROBE, base.HOST_PROBE)]


def collector(cluster: StaticCluster, of: Run, expected: Expectation = NOTHING) -> Collector:
    """Return a collector with the probes of the cluster."""
    found = await_probes(PodMonitor(cluster, of), 0)
    return Collector(cluster=cluster, run=of, expected=expected, services=SERVICES, probes=found)


def test_ready_probes_are_read_once() -> None:
    """If all probes are ready, there is no wait."""
    cluster = StaticCluster([*both(CONTROL), *both(ONE), *both(TWO)])
    assert len(await_probes(PodMonitor(cluster, run()), patience=9).pods) == 6
    assert cluster.reads == 1


def test_wait_ends_if_a_probe_cannot_run() -> None:
    """A probe that has failed for some time is not waited for; the error contains the cause."""
    broken = both(ONE, age=16, waiting="ErrImagePull", message="not found")
    cluster = StaticCluster([*both(CONTROL), *broken, *both(TWO)])
    await_probes(PodMonitor(cluster, run()), patience=9)
    assert cluster.reads == 1
    with pytest.raises(InconclusiveError, match=r"ErrImagePull: not found.*kubectl describe pod"):
        collector(cluster, run()).probe(base.HOST_PROBE, ONE)


def test_recent_failure_is_waited_for() -> None:
    """An image pull that failed a moment ago may succeed when retried."""
    cluster = StaticCluster([*both(CONTROL), *both(ONE, age=5, waiting="ErrImagePull"), *both(TWO)])
    await_probes(PodMonitor(cluster, run()), patience=0.5)
    assert cluster.reads > 1


def test_probe_on_an_unresponsive_node_is_not_waited_for() -> None:
    """The error contains the condition of the node."""
    of = run(ready=False, reasons={"Ready": "NodeStatusUnknown: no status"})
    cluster = StaticCluster([*both(CONTROL), *both(TWO)])
    await_probes(PodMonitor(cluster, of), patience=9)
    assert cluster.reads == 1
    with pytest.raises(InconclusiveError, match="not Ready: NodeStatusUnknown: no status"):
        collector(cluster, of).probe(base.HOST_PROBE, ONE)


def test_kubelet_of_an_unresponsive_node_is_not_queried() -> None:
    """The request would time out; the reason is the condition of the node."""
    of = run(ready=False, reasons={"Ready": "NodeStatusUnknown: no status"})
    config = collector(StaticCluster([]), of).kubelet_config(ONE)
    assert isinstance(config, Unavailable)
    assert "NodeStatusUnknown: no status" in config.unasked


def test_host_probe_is_used_on_a_node_without_pod_network() -> None:
    """Host-network pods run on it; the pod-network probe has the node's condition as cause."""
    of = run(ready=False, reasons={"Ready": "KubeletNotReady: cni plugin not initialized"})
    cluster = StaticCluster([*both(CONTROL), probe(base.HOST_PROBE, ONE), *both(TWO)])
    await_probes(PodMonitor(cluster, of), patience=9)
    assert cluster.reads == 1
    found = collector(cluster, of)
    assert found.probe(base.HOST_PROBE, ONE) == f"probe-host-{ONE}"
    assert found.causes().keys() == {ONE}
    assert "nothing in /etc/cni/net.d" in found.causes()[ONE]


def test_rejected_probe_is_not_waited_for() -> None:
    """The error contains the API's message."""
    host = base.probe(base.HOST_PROBE, ONE)
    creation = CreationResult({host: Rejection(403, "no privileged pods here")})
    cluster = StaticCluster([*both(CONTROL), probe(base.NET_PROBE, ONE), *both(TWO)])
    found = await_probes(PodMonitor(cluster, run()), 9, creation.rejected)
    assert cluster.reads == 1
    with pytest.raises(ApiStatusError, match="no privileged pods here"):
        Collector(
            cluster=cluster,
            run=run(),
            expected=NOTHING,
            services=SERVICES,
            probes=found,
            creation=creation,
        ).probe(base.HOST_PROBE, ONE)


def test_pod_network_probe_is_used_if_the_host_probe_is_rejected() -> None:
    """Facts of the host are permanently unavailable, those of the pod are collected."""
    creation = CreationResult(
        {base.probe(base.HOST_PROBE, ONE): Rejection(403, "no privileged pods here")}
    )

    class PodProbeCluster(StaticCluster):
        def execute(
            self, namespace: str, pod: str, command: list[str], seconds: float
        ) -> CommandResult:
            assert (pod, command[2]) == (f"probe-net-{ONE}", "pod")
            return CommandResult(0, f"pod_ping {TWO} 5 5 0.4\nnameserver 10.96.0.10\n", "")

    cluster = PodProbeCluster([*both(CONTROL), probe(base.NET_PROBE, ONE), *both(TWO)])
    found = await_probes(PodMonitor(cluster, run()), 9, creation.rejected)
    view = Collector(
        cluster=cluster,
        run=run(),
        expected=NOTHING,
        services=SERVICES,
        probes=found,
        creation=creation,
    ).node_view(ONE)
    assert view.pod_pings == {TWO: Ping(5, 5, 0.4)}
    assert view.nameservers == ["10.96.0.10"]
    assert view.links == Unavailable(f"{ONE}: no privileged pods here", permanent=True)


def test_lost_connection_is_retried_once() -> None:
    """A failover of the API's address does not make the facts of a node unavailable."""
    calls: list[str] = []

    class UnreliableCluster(StaticCluster):
        def execute(
            self, namespace: str, pod: str, command: list[str], seconds: float
        ) -> CommandResult:
            calls.append(pod)
            if len(calls) in (1, 3, 4):
                raise ConnectionLostError("the connection was lost")
            return CommandResult(0, "", "")

    found = collector(UnreliableCluster([*both(CONTROL), *both(ONE), *both(TWO)]), run())
    assert not isinstance(found.node_view(ONE).paths, Unavailable)
    assert found.node_view(ONE).paths == Unavailable(f"{ONE}: the connection was lost")
    assert len(calls) == 4


def test_only_peers_with_an_address_are_targets() -> None:
    """A node whose pod has no address is omitted."""
    cluster = StaticCluster([*both(CONTROL), *both(ONE, waiting="ContainerCreating"), *both(TWO)])
    peers = collector(cluster, run()).arguments.peers()
    assert peers == [
        "demo-control-0,192.0.2.10,10.244.1.5",
        "demo-worker-1,192.0.2.21,10.244.3.5",
    ]


def test_etcd_endpoint_and_identities() -> None:
    """The expected endpoint and files are preferred to the default ones."""
    plain = healthy.expected()
    plain["etcd"] |= {"endpoints": ["https://192.0.2.10:4001"], "key": "/own.key"}
    expected = collector(StaticCluster([]), run(), understand(plain, "test"))
    assert expected.arguments.endpoint(CONTROL) == "https://192.0.2.10:4001"
    assert expected.arguments.identities()[0] == (
        "/etc/etcd/pki/ca.crt",
        "/etc/etcd/pki/health.crt",
        "/own.key",
    )
    default = collector(StaticCluster([]), run())
    assert default.arguments.endpoint(CONTROL) == "https://192.0.2.10:2379"
    assert default.arguments.identities() == list(IDENTITIES)


def ha_collector() -> Collector:
    """Return a collector of the cluster with three control-plane nodes."""
    plain = healthy.facts(healthy.HA_NODES)["nodes"]
    nodes = list(from_plain(dict[str, NodeStatus], plain).values())
    expected = understand(healthy.expected(healthy.HA_NODES), "test")
    return collector(StaticCluster([]), Run(id="0badcafe", image="image", nodes=nodes), expected)


def test_every_api_url_is_queried() -> None:
    """The URL of each server, and of the Service; the probe adds that of its kubelet."""
    servers = healthy.servers(healthy.HA_NODES)
    assert ha_collector().arguments.apis() == [*servers, "https://10.96.0.1"]


def test_tls_ports_of_a_node() -> None:
    """The kubelet on all nodes; etcd and the API server on control-plane nodes."""
    arguments = ha_collector().arguments
    assert arguments.tls_ports("demo-docker-0") == {"kubelet": "192.0.2.21:10250"}
    assert arguments.tls_ports("demo-control-1") == {
        "kubelet": "192.0.2.11:10250",
        "api": "192.0.2.11:6443",
        "etcd": "192.0.2.11:2379",
        "peer": "192.0.2.11:2380",
    }
    assert "own_api=https://192.0.2.11:6443" in arguments.of("demo-control-1")
    assert not any(word.startswith("own_api=") for word in arguments.of("demo-docker-0"))


def test_api_servers_without_an_expectation() -> None:
    """They are the endpoints and all control-plane nodes, whose server may be down."""
    nodes = run().nodes
    assert with_control([("192.0.2.9", 7443)], nodes) == [
        "https://192.0.2.10:7443",
        "https://192.0.2.9:7443",
    ]
    assert with_control([], nodes) == ["https://192.0.2.10:6443"]
    assert collector(StaticCluster([]), run()).arguments.servers() == ["https://192.0.2.10:6443"]


def test_failed_request_is_unavailable() -> None:
    """It is permanent if this user is not authorized, so that checks are skipped."""

    def reject() -> None:
        raise ApiStatusError(403, "leases are forbidden")

    def fail() -> None:
        raise InconclusiveError("no route")

    assert or_unavailable(reject) == Unavailable("leases are forbidden", permanent=True)
    assert or_unavailable(fail) == Unavailable("no route")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 nodes"}
                ],
                "phase": "Pending",
            },
            "Pending: 0/3 nodes",
        ),
    ],
)
def test_state_of_a_pod(status: Json, state: str) -> None:
    """It contains the most specific reason in the status."""
    assert pods.state({"spec": {}, "status": status}) == state
