# SPDX-License-Identifier: Apache-2.0
"""Waiting for probes and asking nodes: whom to wait for, when to give up, what to ask."""

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


class StandStill(Cluster):
    """A cluster whose pods never change, and which tells nothing else."""

    def __init__(self, probes: list[Json]) -> None:
        self.probes = probes
        self.looks = 0

    def now(self) -> datetime:
        """A fixed time."""
        return NOW

    def items(self, path: str, **_: str) -> list[Json]:
        """The pods."""
        self.looks += path.endswith("/pods")
        return self.probes if path.endswith("/pods") else []


def run(**changes: Any) -> Run:
    """A run on the sound cluster, one node of which may be changed."""
    plain = healthy.facts()["nodes"]
    plain[ONE] |= changes
    nodes = list(from_plain(dict[str, NodeStatus], plain).values())
    return Run(id="0badcafe", image="image", nodes=nodes, api_servers=["https://192.0.2.10:6443"])


def probe(app: str, node: str, age: float = 5, waiting: str = "", message: str = "") -> Json:
    """A probe's pod; `waiting` is the reason for which it does not run."""
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


def both(node: str, **fate: Any) -> list[Json]:
    """Both probes of a node."""
    return [probe(app, node, **fate) for app in (base.NET_PROBE, base.HOST_PROBE)]


def collector(cluster: StandStill, of: Run, expected: Expectation = NOTHING) -> Collector:
    """A round of asking, with the probes that the cluster has."""
    found = await_probes(PodMonitor(cluster, of), 0)
    return Collector(cluster=cluster, run=of, expected=expected, services=SERVICES, probes=found)


def test_ready_probes_are_not_waited_for() -> None:
    """If all run, one look is enough."""
    cluster = StandStill([*both(CONTROL), *both(ONE), *both(TWO)])
    assert len(await_probes(PodMonitor(cluster, run()), patience=9).pods) == 6
    assert cluster.looks == 1


def test_failing_image_is_given_up_before_patience_ends() -> None:
    """A probe that has failed for too long is not waited for; its node cannot be asked."""
    broken = both(ONE, age=16, waiting="ErrImagePull", message="not found")
    cluster = StandStill([*both(CONTROL), *broken, *both(TWO)])
    await_probes(PodMonitor(cluster, run()), patience=9)
    assert cluster.looks == 1
    with pytest.raises(InconclusiveError, match=r"ErrImagePull: not found.*kubectl describe pod"):
        collector(cluster, run()).probe(base.HOST_PROBE, ONE)


def test_young_failure_is_given_its_chance() -> None:
    """An image that could not be had a moment ago may still come."""
    cluster = StandStill([*both(CONTROL), *both(ONE, age=5, waiting="ErrImagePull"), *both(TWO)])
    await_probes(PodMonitor(cluster, run()), patience=0.5)
    assert cluster.looks > 1


def test_node_that_is_silent_is_not_waited_for() -> None:
    """Nothing starts on such a node; the reason it cannot be asked is its own condition."""
    of = run(ready=False, reasons={"Ready": "NodeStatusUnknown: no word"})
    cluster = StandStill([*both(CONTROL), *both(TWO)])
    await_probes(PodMonitor(cluster, of), patience=9)
    assert cluster.looks == 1
    with pytest.raises(InconclusiveError, match="not Ready: NodeStatusUnknown: no word"):
        collector(cluster, of).probe(base.HOST_PROBE, ONE)


def test_kubelet_of_a_silent_node_is_not_asked() -> None:
    """Its answer would be waited for in vain; why there is none is the node's own condition."""
    of = run(ready=False, reasons={"Ready": "NodeStatusUnknown: no word"})
    told = collector(StandStill([]), of).ask_kubelet(ONE)
    assert isinstance(told, Unavailable)
    assert "NodeStatusUnknown: no word" in told.unasked


def test_node_without_network_is_asked_on_the_host() -> None:
    """Its kubelet speaks, and what has no network of its own runs; pods are asked in vain."""
    of = run(ready=False, reasons={"Ready": "KubeletNotReady: cni plugin not initialized"})
    cluster = StandStill([*both(CONTROL), probe(base.HOST_PROBE, ONE), *both(TWO)])
    await_probes(PodMonitor(cluster, of), patience=9)
    assert cluster.looks == 1
    told = collector(cluster, of)
    assert told.probe(base.HOST_PROBE, ONE) == f"probe-host-{ONE}"
    assert told.causes().keys() == {ONE}
    assert "nothing in /etc/cni/net.d" in told.causes()[ONE]


def test_probe_that_was_refused_is_not_waited_for() -> None:
    """What the API did not take is told by its answer."""
    host = base.probe(base.HOST_PROBE, ONE)
    made = CreationResult({host: Rejection(403, "no privileged pods here")})
    cluster = StandStill([*both(CONTROL), probe(base.NET_PROBE, ONE), *both(TWO)])
    found = await_probes(PodMonitor(cluster, run()), 9, made.rejected)
    assert cluster.looks == 1
    told = Collector(
        cluster=cluster, run=run(), expected=NOTHING, services=SERVICES, probes=found, creation=made
    )
    with pytest.raises(ApiStatusError, match="no privileged pods here"):
        told.probe(base.HOST_PROBE, ONE)


def test_what_pods_see_is_told_where_the_host_may_not_be_looked_at() -> None:
    """The refusal is a skip for what the host would tell, and only for that."""
    made = CreationResult(
        {base.probe(base.HOST_PROBE, ONE): Rejection(403, "no privileged pods here")}
    )

    class Speaking(StandStill):
        def execute(
            self, namespace: str, pod: str, command: list[str], seconds: float
        ) -> CommandResult:
            assert (pod, command[2]) == (f"probe-net-{ONE}", "pod")
            return CommandResult(0, f"pod_ping {TWO} 5 5 0.4\nnameserver 10.96.0.10\n", "")

    cluster = Speaking([*both(CONTROL), probe(base.NET_PROBE, ONE), *both(TWO)])
    found = await_probes(PodMonitor(cluster, run()), 9, made.rejected)
    view = Collector(
        cluster=cluster, run=run(), expected=NOTHING, services=SERVICES, probes=found, creation=made
    ).ask(ONE)
    assert view.pod_pings == {TWO: Ping(5, 5, 0.4)}
    assert view.nameservers == ["10.96.0.10"]
    assert view.links == Unavailable(f"{ONE}: no privileged pods here", permanent=True)


def test_connection_that_breaks_is_tried_once_more() -> None:
    """The API's address moves now and then; that must not cost all that a node would tell."""
    asked: list[str] = []

    class Breaking(StandStill):
        def execute(
            self, namespace: str, pod: str, command: list[str], seconds: float
        ) -> CommandResult:
            asked.append(pod)
            if len(asked) in (1, 3, 4):
                raise ConnectionLostError("the connection broke before the command's end")
            return CommandResult(0, "", "")

    told = collector(Breaking([*both(CONTROL), *both(ONE), *both(TWO)]), run())
    assert not isinstance(told.ask(ONE).paths, Unavailable)
    assert told.ask(ONE).paths == Unavailable(
        f"{ONE}: the connection broke before the command's end"
    )
    assert len(asked) == 4


def test_only_peers_with_an_address_are_asked_about() -> None:
    """A node whose pod has no address is left out; nobody pings nothing."""
    cluster = StandStill([*both(CONTROL), *both(ONE, waiting="ContainerCreating"), *both(TWO)])
    peers = collector(cluster, run()).arguments.peers()
    assert peers == [
        "demo-control-0,192.0.2.10,10.244.1.5",
        "demo-worker-1,192.0.2.21,10.244.3.5",
    ]


def test_etcd_is_asked_as_expected_and_else_in_the_usual_way() -> None:
    """The expected endpoint and files come first; without them, the usual ones in their order."""
    plain = healthy.expected()
    plain["etcd"] |= {"endpoints": ["https://192.0.2.10:4001"], "key": "/own.key"}
    told = collector(StandStill([]), run(), understand(plain, "test"))
    assert told.arguments.endpoint(CONTROL) == "https://192.0.2.10:4001"
    assert told.arguments.identities()[0] == (
        "/etc/etcd/pki/ca.crt",
        "/etc/etcd/pki/health.crt",
        "/own.key",
    )
    usual = collector(StandStill([]), run())
    assert usual.arguments.endpoint(CONTROL) == "https://192.0.2.10:2379"
    assert usual.arguments.identities() == list(IDENTITIES)


def house() -> Collector:
    """A round of asking in the house of three control planes."""
    plain = healthy.facts(healthy.HA_NODES)["nodes"]
    nodes = list(from_plain(dict[str, NodeStatus], plain).values())
    expected = understand(healthy.expected(healthy.HA_NODES), "test")
    return collector(StandStill([]), Run(id="0badcafe", image="image", nodes=nodes), expected)


def test_every_way_to_the_api_is_asked() -> None:
    """Each server on its own, and the service of pods; the probe adds what its kubelet goes by."""
    servers = healthy.servers(healthy.HA_NODES)
    assert house().arguments.apis() == [*servers, "https://10.96.0.1"]


def test_nodes_are_asked_for_their_own_doors_only() -> None:
    """Etcd and the API server where they should be, the kubelet everywhere."""
    own = house()
    assert own.arguments.tls_ports("demo-docker-0") == {"kubelet": "192.0.2.21:10250"}
    assert own.arguments.tls_ports("demo-control-1") == {
        "kubelet": "192.0.2.11:10250",
        "api": "192.0.2.11:6443",
        "etcd": "192.0.2.11:2379",
        "peer": "192.0.2.11:2380",
    }
    assert "own_api=https://192.0.2.11:6443" in own.arguments.of("demo-control-1")
    assert not any(word.startswith("own_api=") for word in own.arguments.of("demo-docker-0"))


def test_without_expectation_api_servers_tell_themselves() -> None:
    """One that is down soon lacks among them; so each node of the control plane counts, too."""
    nodes = run().nodes
    assert with_control([("192.0.2.9", 7443)], nodes) == [
        "https://192.0.2.10:7443",
        "https://192.0.2.9:7443",
    ]
    assert with_control([], nodes) == ["https://192.0.2.10:6443"]
    assert collector(StandStill([]), run()).arguments.servers() == ["https://192.0.2.10:6443"]


def test_what_the_api_refuses_is_unasked() -> None:
    """No right to look is no fault of the cluster: a skip; a silent API is an error."""

    def refuse() -> None:
        raise ApiStatusError(403, "leases are forbidden")

    def fail() -> None:
        raise InconclusiveError("no route")

    assert or_unavailable(refuse) == Unavailable("leases are forbidden", permanent=True)
    assert or_unavailable(fail) == Unavailable("no route")


@pytest.mark.parametrize(
    ("status", "said"),
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
def test_pod_tells_its_state(status: Json, said: str) -> None:
    """The most telling reason that the API knows."""
    assert pods.state({"spec": {}, "status": status}) == said
