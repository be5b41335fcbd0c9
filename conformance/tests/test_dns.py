# SPDX-License-Identifier: Apache-2.0
"""Across the layers: every replica of the cluster's DNS answers every node, and in time."""

from statistics import median

import pytest

from conformance.api.client import WaitTimeout, poll_until
from conformance.api.pods import is_ready
from conformance.collect.parse_node import by_kind, parse_lookups
from conformance.deploy.live import RunHandle
from conformance.facts.model import Facts
from conformance.facts.network import Queries
from conformance.faults import detects
from conformance.manifests import base, services
from conformance.outcome import CheckFailed, InconclusiveError, Unavailable, require, value_or_skip
from conformance.support import causes, prerequisites
from conformance.support.prerequisites import paths

pytestmark = pytest.mark.services

LATE_MS = 4500  # a resolver asks again after five seconds: one that is so late lost its packet
SLOW_MS = 1000  # when most answers take so long, the server is slow
CACHE_SECONDS = 45.0  # CoreDNS may repeat for half a minute what it said too early
COREDNS = (
    "kubectl get pods -n kube-system -l k8s-app=kube-dns -o wide; kubectl logs -n kube-system {}"
)


@detects("dns-down")
def test_every_replica_of_dns_answers(facts: Facts, node: str) -> None:
    """Each running replica, asked at its own address by a pod of the node, answers."""
    silent = {name: queries for name, queries in replicas(facts, node).items() if not queries.ms}
    if silent and all((node, at) in causes.lost_pairs(facts) for at in map(node_of, silent)):
        raise InconclusiveError(f"{node}: no packet reaches {', '.join(silent)}")
    require(
        not silent,
        at=f"{node}: replicas of the cluster's DNS, asked by a pod",
        expected="an answer of each",
        seen=", ".join(f"{name}: {queries.problem}" for name, queries in silent.items()),
        likely="CoreDNS there hangs, or UDP to it is dropped",
        look=COREDNS.format(next(iter(silent), "").split(" ")[0]),
    )


@detects("dns-slow")
def test_no_replica_of_dns_is_late(facts: Facts, node: str) -> None:
    """No answer of any replica is so late that a resolver would have asked again."""
    late = {
        name: queries.ms
        for name, queries in replicas(facts, node).items()
        if queries.ms and (max(queries.ms) >= LATE_MS or median(queries.ms) >= SLOW_MS)
    }
    require(
        not late,
        at=f"{node}: replicas of the cluster's DNS, asked by a pod",
        expected=f"mostly less than {SLOW_MS} ms, and no answer after {LATE_MS} ms",
        seen=", ".join(f"{name}: {', '.join(map(str, ms))} ms" for name, ms in late.items()),
        likely="that replica has too little CPU or a slow upstream; 5 s is a resolver's second "
        "try after a lost packet (two questions at once from one port: a race of conntrack)",
        look=COREDNS.format(next(iter(late), "").split(" ")[0]),
    )


@detects("dns-down")
def test_dns_answers_at_its_service(facts: Facts, node: str) -> None:
    """Asked again and again at the service's address, the cluster's DNS answers each time."""
    queries = value_or_skip(paths(facts, node).queries).get(facts.services.dns)
    if queries is None:
        pytest.skip("kube-system has no service k8s-app=kube-dns")
    require(
        not queries.failed and max(queries.ms, default=0) < LATE_MS,
        at=f"{node}: the cluster's DNS at {facts.services.dns}, asked by a pod",
        expected=f"every answer, in less than {LATE_MS} ms",
        seen=f"{queries.failed} without ({queries.problem or 'none'}), times {queries.ms} ms",
        likely="no replica runs, one of them cannot be reached from here, or kube-proxy on the "
        "node does not follow",
        look=COREDNS.format("-l k8s-app=kube-dns"),
    )


def replicas(facts: Facts, node: str) -> dict[str, Queries]:
    """What each replica answered, by "NAME on NODE"."""
    told, running = value_or_skip(paths(facts, node).queries), value_or_skip(facts.dns)
    if not facts.services.dns:
        pytest.skip("kube-system has no service k8s-app=kube-dns")
    require(
        bool(running),
        at="the cluster's DNS",
        expected="at least one running pod k8s-app=kube-dns",
        seen="none",
        likely="its Deployment is scaled to 0, or its pods do not start",
        look="kubectl get deployment,pods -n kube-system -l k8s-app=kube-dns",
    )
    return {
        f"{pod.name} on {pod.node}": told[pod.address] for pod in running if pod.address in told
    }


def node_of(replica: str) -> str:
    """The node in a replica's "NAME on NODE"."""
    return replica.rpartition(" on ")[2]


def test_headless_service_names_its_pods(facts: Facts, live: RunHandle) -> None:
    """The name of a service without an address of its own resolves to all its pods."""
    deaf = causes.deaf_nodes(facts)
    probes = {node: probe for node, probe in live.net_probes().items() if node not in deaf}
    if not probes:
        raise InconclusiveError("no node runs a probe from which to ask")
    node, probe = min(probes.items())
    require_dns(facts, node)
    name = f"{services.HEADLESS}.{live.run.namespace}.svc"
    script = f"sh /probe/collect.sh pod {live.run.id} lookup={name}"
    label = f"{base.APP_LABEL}={base.NET_PROBE}"

    def look() -> tuple[set[str], set[str]]:
        pods = live.cluster.items(live.path("pods"), labelSelector=label)
        want = {pod["status"]["podIP"] for pod in pods if is_ready(pod)}
        told = by_kind(live.shell(probe, script).stdout).get("lookup", "")
        return want, {
            address for each in parse_lookups(told).values() for address in each.addresses
        }

    def settled(seen: tuple[set[str], set[str]]) -> bool:
        return seen[0] == seen[1] or prerequisites.is_inactive(live)

    try:
        want, told = poll_until(look, settled, min(live.patience, CACHE_SECONDS), every=2.0)
    except WaitTimeout as late:
        want, told = late.last
        raise CheckFailed(
            at=f"{node}: DNS lookup of the headless service {name}",
            expected=", ".join(sorted(want)),
            seen=", ".join(sorted(told)) or "no address",
            likely="CoreDNS does not follow EndpointSlices, or cannot be reached",
            look="kubectl get endpointslices -A -l kubernetes.io/service-name=headless; "
            "kubectl logs -n kube-system -l k8s-app=kube-dns",
        ) from None
    if want != told:
        prerequisites.require_controllers(live)


def require_dns(facts: Facts, node: str) -> None:
    """The cluster's DNS answers the node, and knows the run's services; others judge both."""
    ways = paths(facts, node)
    told = {} if isinstance(ways.queries, Unavailable) else ways.queries
    at_service = told.get(facts.services.dns)
    if at_service and not at_service.ms:
        raise InconclusiveError(
            f"{node}: no answer at {facts.services.dns}, the cluster's DNS: {at_service.problem} "
            "(see test_dns_answers_at_its_service)"
        )
    web = f"{base.WEB}.{facts.services.namespace}.svc"
    for name, view in facts.views.items():
        lookup = None if isinstance(view.lookups, Unavailable) else view.lookups.get(web)
        if lookup and not lookup.addresses:
            raise InconclusiveError(
                f"{name}: the cluster's DNS does not know {web} "
                f"(see test_service_name_resolves[{name}])"
            )
