# SPDX-License-Identifier: Apache-2.0
"""Any one control plane server goes and comes back, any process of it dies: the API answers on."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lab.harness import cluster as clusters
from lab.harness import controller, etcd, health, power
from lab.harness.cluster import Cluster, Node
from lab.harness.figures import Figure
from lab.harness.polling import PollResults, from_node, from_outside, poll
from lab.harness.workload import NAMESPACE, Workload

pytestmark = pytest.mark.long

# The most that a client may wait for an answer (issue 4), whatever it asks.
OUTAGE_SECONDS = 10.0
# Pods on workers lose nothing: one slow answer of a busy machine.
SERVICE_SECONDS = 3.0
RETURN_SECONDS = 180

Eyes = Callable[[], AbstractContextManager[PollResults]]


@pytest.fixture
def eyes(many: Cluster, work: Workload, tmp_path: Path) -> Eyes:
    """Start to ask the API from outside and from a worker, and the Service from there."""
    identity = clusters.write_identity(many, tmp_path / "identity")
    worker = many.workers[0]
    outside = from_outside(many, identity, NAMESPACE)
    inside = [*from_node(many, worker), work.target()]
    return lambda: poll((None, outside), (worker, inside))


def holder(cluster: Cluster) -> Node:
    """Return the control plane node that has the API's address."""
    address = urlsplit(cluster.endpoint).hostname
    script = f"ip -4 -oneline address show | grep -F ' {address}/' || true"
    answers = clusters.on_all(cluster.control, script)
    having = [node for node in cluster.control if answers[node.name].strip()]
    assert len(having) == 1, f"{address} is on {[node.name for node in having]}"
    return having[0]


def judge(watch: PollResults, name: str, figure: Figure) -> None:
    """Keep what was seen, and have it be within bounds."""
    figure(f"outage: {name}", {target: seen["outage"] for target, seen in watch.seen.items()})
    for target in watch.seen:
        bound = SERVICE_SECONDS if target == "service" else OUTAGE_SECONDS
        assert watch.outage(target) <= bound, str(watch)


@contextmanager
def gone(cluster: Cluster, node: Node, off: Callable[[Node], None]) -> Iterator[list[Node]]:
    """Have a node be gone meanwhile, then come back until all is whole; yield the others."""
    off(node)
    try:
        yield [other for other in cluster.control if other != node]
    finally:
        since = time.time()
        power.start(node)
        health.wait_return(cluster, node, since, RETURN_SECONDS)


def lose(cluster: Cluster, node: Node, off: Callable[[Node], None]) -> None:
    """Lose a node, see that those that are left hold the cluster, and have it back."""
    with gone(cluster, node, off) as others:
        names = [other.name for other in others]
        controller.wait_for(
            "the other members of etcd are healthy",
            60,
            lambda: etcd.healthy(others[0], others) == names,
        )
        # Another name for each try: one that timed out may have been done.
        name = f"without-{node.name}-{{:.0f}}"
        controller.wait_for(
            "an object can be made",
            60,
            lambda: cluster.kubectl(
                "create", "configmap", name.format(time.time()), "-n", NAMESPACE
            ),
        )


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_server_is_stopped_and_comes_back(
    healthy: Cluster, many: Cluster, eyes: Eyes, index: int, figure: Figure
) -> None:
    """Stopped in Nova: the API answers within ten seconds, the Service all the while."""
    node = many.control[index]
    had_address = holder(many) == node
    with eyes() as watch:
        lose(many, node, power.stop)
    judge(watch, f"control-{index} stopped{' with the address' * had_address}", figure)


def test_the_plug_of_the_server_with_the_address_is_pulled(
    healthy: Cluster, many: Cluster, eyes: Eyes, figure: Figure
) -> None:
    """Nobody says good-bye, and the address, and perhaps etcd's leader, are on that server."""
    with eyes() as watch:
        lose(many, holder(many), power.cut)
    judge(watch, "the server with the address unplugged", figure)


@pytest.mark.parametrize("service", ["kube-apiserver", "keepalived"])
def test_a_process_is_killed(
    healthy: Cluster, many: Cluster, eyes: Eyes, service: str, figure: Figure
) -> None:
    """On the server that has the API's address; systemd starts it again."""
    node = holder(many)
    with eyes() as watch:
        node.run(f"systemctl kill --kill-who=main --signal=KILL {service}")
        health.wait_healthy(many)
    judge(watch, f"{service} killed", figure)


def test_the_leader_of_etcd_is_killed(
    healthy: Cluster, many: Cluster, eyes: Eyes, figure: Figure
) -> None:
    """The others choose a new leader; what asked this member's API server asks another."""
    node = etcd.leader(many.control)
    with eyes() as watch:
        node.run("systemctl kill --kill-who=main --signal=KILL etcd")
        health.wait_healthy(many)
    judge(watch, "etcd's leader killed", figure)


def test_an_api_server_that_stays_away_loses_the_address(
    healthy: Cluster, many: Cluster, eyes: Eyes, figure: Figure
) -> None:
    """The node is well, its API server is not: the address goes to one that is."""
    node = holder(many)
    with eyes() as watch:
        node.run(
            "systemctl kill --kill-who=main --signal=KILL kube-apiserver; "
            "systemctl stop kube-apiserver"
        )
        try:
            controller.wait_for("the address moves", 30, lambda: holder(many) != node)
        finally:
            node.run("systemctl start kube-apiserver")
        health.wait_healthy(many)
    judge(watch, "kube-apiserver down, node up", figure)


def test_an_api_server_without_its_member_sends_its_clients_away(
    healthy: Cluster, many: Cluster, eyes: Eyes, figure: Figure
) -> None:
    """It keeps connections on which nothing new comes; so it is started again, and they end."""
    node = next(node for node in many.control if node != holder(many))
    before = node.process("kube-apiserver")
    with eyes() as watch:
        node.run("systemctl stop etcd")
        began = time.time()
        try:
            controller.wait_for(
                "it is started again", 120, lambda: node.process("kube-apiserver") != before
            )
            figure("API server without its member, seconds", round(time.time() - began, 1))
        finally:
            node.run("systemctl start etcd")
        health.wait_healthy(many)
    judge(watch, "etcd down, node up", figure)
