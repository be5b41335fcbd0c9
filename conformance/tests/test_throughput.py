# SPDX-License-Identifier: Apache-2.0
"""Layer 4, the network: throughput of pods compared with that of their hosts."""

import random
from collections.abc import Callable

import pytest

from conformance.api import core_resources
from conformance.codes import Code
from conformance.deploy.live import RunHandle
from conformance.facts.model import Facts
from conformance.outcome import InconclusiveError, require
from conformance.support import back_ends, causes
from conformance.support.prerequisites import require_kubelets
from conformance.support.throughput import BAD, BAD_ENCRYPTED, Rate, parse_rate

pytestmark = pytest.mark.network

NODE_PORTS = range(30000, 32768)  # open between nodes wherever NodePorts work
MOST_PAIRS = 8
GOOD = 0.7


def test_pod_throughput_is_close_to_that_of_hosts(
    facts: Facts, live: RunHandle, record_property: Callable[[str, object], None]
) -> None:
    """The throughput between pods of two nodes is a fair part of that between their hosts.

    Pairs of nodes are measured one after another, so that they do not compete.
    """
    addresses = {node.name: node.address for node in live.run.nodes}
    probes = set(live.net_probes().values())
    running = core_resources.pods(live.cluster, live.path("pods"))
    pods = {pod.node: pod.address for pod in running if pod.name in probes}
    unreachable = causes.unreachable_kubelets(facts)
    names = sorted((live.host_probes().keys() & pods.keys()) - unreachable.keys())
    if len(names) + len(unreachable) < 2:
        pytest.skip("fewer than two nodes run probes")
    if len(names) < 2:
        require_kubelets(facts)
    ring = [(name, names[(index + 1) % len(names)]) for index, name in enumerate(names)]
    lost = causes.lost_pairs(facts)
    ring = [(a, b) for a, b in ring if (a, b) not in lost and (b, a) not in lost]
    if not ring:
        raise InconclusiveError("no packet passes between these pods (see test_pod_reaches_pod)")
    port = free_port(live)
    rates, why = measure_all(
        live, {(a, b): f"{port} {addresses[b]} {pods[b]}" for a, b in ring[:MOST_PAIRS]}
    )
    for pair, rate in rates.items():
        record_property(f"{pair}: pods to hosts", f"{rate.ratio:.2f}")
    if not rates:
        pytest.skip(f"no transfer between hosts at TCP {port}, a free NodePort: {why}")
    fair = {pair: rate for pair, rate in rates.items() if rate.pod and rate.ratio < GOOD}
    if fair:
        slow = ", ".join(f"{pair} {rate.ratio:.2f}" for pair, rate in fair.items())
        record_property("warning", f"throughput of pods is below {GOOD} of that of hosts: {slow}")
    limit = BAD_ENCRYPTED if back_ends.name_of(facts) == back_ends.WIREGUARD else BAD
    bad = {
        pair: rate
        for pair, rate in rates.items()
        if rate.is_bad and (rate.pod is None or rate.ratio < limit)
    }
    require(
        not bad,
        at=f"{', '.join(bad)}: throughput from pod to pod and from host to host",
        expected=f"pods have at least {limit} of the throughput of hosts",
        seen=", ".join(
            f"{pair}: hosts {rate.host} ms, pods {rate.pod or 'never'}"
            + (f" ms ({rate.ratio:.2f})" if rate.pod else "")
            for pair, rate in bad.items()
        ),
        likely="encapsulation without offloads, fragmented packets (MTU), or packet loss",
        look="on both: ethtool -k; ip -s link show; nstat | grep -i frag",
        code=Code.THROUGHPUT_LOW,
    )
    require_kubelets(facts)


def measure_all(
    live: RunHandle, targets: dict[tuple[str, str], str]
) -> tuple[dict[str, Rate], str]:
    """Return the rates by "SOURCE -> TARGET"; none if hosts cannot connect, and the reason.

    A bad rate is measured again, as a machine may be busy for a moment. If it is still bad, bad
    rates of other pairs are not measured again.
    """
    rates: dict[str, Rate] = {}
    in_doubt = True
    for (source, target), where in targets.items():
        rate = measure(live, source, target, where)
        if rate.host is None:
            return rates, rate.problem  # a port that is closed here is closed everywhere
        if rate.is_bad and in_doubt:
            rate = rate.or_better(measure(live, source, target, where))
            in_doubt = not rate.is_bad
        rates[f"{source} -> {target}"] = rate
    return rates, "no reason given"


def measure(live: RunHandle, source: str, target: str, where: str) -> Rate:
    """Transfer data between two nodes; ``where`` has the port and both addresses."""
    probes, run = live.host_probes(), live.run.id
    port = where.split(maxsplit=1)[0]
    received = live.shell(probes[target], f"sh /probe/throughput.sh take {run} {port}")
    sent = live.shell(probes[source], f"sh /probe/throughput.sh send {run} {where}")
    for node, ran in ((target, received), (source, sent)):
        if ran.status:
            raise InconclusiveError(f"{node}: throughput.sh: {ran.stderr[-200:]}")
    return parse_rate(sent.stdout)


def free_port(live: RunHandle) -> int:
    """Return a port of the NodePort range that no service uses."""
    services = live.cluster.items("/api/v1/services")
    taken = {port.get("nodePort") for each in services for port in each["spec"].get("ports", [])}
    return random.choice([port for port in NODE_PORTS if port not in taken])
