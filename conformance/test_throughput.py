# SPDX-License-Identifier: Apache-2.0
"""Layer 4, the network: how much of what hosts can move is left to their pods."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from conformance import causes, roster
from conformance.facts import Facts
from conformance.live import Live
from conformance.verdict import CouldNotAskError, require

pytestmark = pytest.mark.network

NODE_PORTS = range(30000, 32768)  # open between nodes wherever NodePorts work
MOST_PAIRS = 8
GOOD, BAD = 0.7, 0.3
MEASURABLE_MS = 40  # the probe's clock counts in tens
TELLING_MS = 700  # hosts are given as much as takes them a third of a second


@dataclass(frozen=True)
class Rate:
    """The best time of each, in milliseconds; None where nothing arrived."""

    host: int | None
    pod: int | None
    problem: str = ""

    @property
    def ratio(self) -> float:
        """Pods' part of what hosts can do: both move the same bytes."""
        assert self.host is not None
        return max(self.host, MEASURABLE_MS) / max(self.pod or 0, MEASURABLE_MS)

    @property
    def is_bad(self) -> bool:
        """Do pods move far too little? What is over in a moment is no measure of it."""
        return self.pod is None or (self.ratio < BAD and self.pod >= TELLING_MS)


def test_pods_are_about_as_quick_as_hosts(
    facts: Facts, live: Live, record_property: Callable[[str, object], None]
) -> None:
    """Between two nodes pods move a fair part of the bytes that the hosts move in that time.

    One pair after another, each node once: pairs at the same time would measure each other.
    """
    addresses = {node.name: node.address for node in live.run.nodes}
    probes = set(live.net_probes().values())
    running = roster.pods(live.cluster, live.path("pods"))
    pods = {pod.node: pod.address for pod in running if pod.name in probes}
    deaf = causes.deaf_nodes(facts)
    names = sorted((live.host_probes().keys() & pods.keys()) - deaf.keys())
    if len(names) + len(deaf) < 2:
        pytest.skip("fewer than two nodes run probes")
    ring = [(name, names[(index + 1) % len(names)]) for index, name in enumerate(names)]
    lost = causes.lost_pairs(facts)
    ring = [(a, b) for a, b in ring if (a, b) not in lost and (b, a) not in lost]
    if deaf and len(names) < 2:
        raise CouldNotAskError("; ".join(deaf.values()))
    if not ring:
        raise CouldNotAskError("no packet passes between these pods (see test_pod_reaches_pod)")
    port = free_port(live)
    told: dict[str, Rate] = {}
    why = "no reason given"
    for a, b in ring[:MOST_PAIRS]:
        rate = measure(live, a, b, f"{port} {addresses[b]} {pods[b]}")
        if rate.host is None:
            why = rate.problem
            break  # what is closed here is closed everywhere
        told[f"{a} -> {b}"] = rate
    for pair, rate in told.items():
        record_property(f"{pair}: pods to hosts", f"{rate.ratio:.2f}")
    if not told:
        pytest.skip(f"nothing went from host to host at TCP {port}, a free NodePort: {why}")
    fair = {pair: rate for pair, rate in told.items() if rate.pod and rate.ratio < GOOD}
    if fair:
        slow = ", ".join(f"{pair} {rate.ratio:.2f}" for pair, rate in fair.items())
        record_property("warning", f"pods move less than {GOOD} of what hosts move: {slow}")
    bad = {pair: rate for pair, rate in told.items() if rate.is_bad}
    require(
        not bad,
        at=f"{', '.join(bad)}: bytes from pod to pod and from host to host",
        expected=f"pods move at least {BAD} of what hosts move in the same time",
        seen=", ".join(
            f"{pair}: hosts {rate.host} ms, pods {rate.pod or 'never'}"
            + (f" ms ({rate.ratio:.2f})" if rate.pod else "")
            for pair, rate in bad.items()
        ),
        likely="VXLAN without the card's help (offloads), packets that are broken up (MTU), loss",
        look="on both: ethtool -k; ip -s link show flannel.1; nstat | grep -i frag",
    )
    if deaf:
        raise CouldNotAskError("; ".join(deaf.values()))


def measure(live: Live, source: str, target: str, where: str) -> Rate:
    """Let the one node take and the other send; `where` is the port and both addresses."""
    probes, run = live.host_probes(), live.run.id
    port = where.split(maxsplit=1)[0]
    took = live.shell(probes[target], f"sh /probe/rate.sh take {run} {port}")
    sent = live.shell(probes[source], f"sh /probe/rate.sh send {run} {where}")
    for node, ran in ((target, took), (source, sent)):
        if ran.status:
            raise CouldNotAskError(f"{node}: rate.sh: {ran.stderr[-200:]}")
    times: dict[str, list[int]] = {"host": [], "pod": [], "little": []}
    problem = ""
    for line in sent.stdout.splitlines():
        kind, ms, *why = line.split(None, 2)
        times[kind] += [int(ms)] if ms != "-" else []
        problem = problem or " ".join(why)
    return Rate(min(times["host"], default=None), min(times["pod"], default=None), problem)


def free_port(live: Live) -> int:
    """A port of the NodePorts' range that no service has."""
    services = live.cluster.items("/api/v1/services")
    taken = {port.get("nodePort") for each in services for port in each["spec"].get("ports", [])}
    return random.choice([port for port in NODE_PORTS if port not in taken])
