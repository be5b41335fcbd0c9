# SPDX-License-Identifier: Apache-2.0
"""Across the layers: every replica of the cluster DNS answers every node in time."""

from ipaddress import ip_address
from statistics import median

import pytest

from conformance.api.client import WaitTimeout, poll_until
from conformance.api.pods import is_ready
from conformance.codes import Code
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

LATE_MS = 4500  # a resolver repeats a query after five seconds: a later answer means a lost packet
SLOW_MS = 1000  # median above which the server is slow
CACHE_SECONDS = 45.0  # CoreDNS caches a negative answer for up to 30 seconds
COREDNS = (
    "kubectl get pods -n kube-system -l k8s-app=kube-dns -o wide; kubectl logs -n kube-system {}"
)


@detects("dns-down")
def test_every_dns_replica_answers(facts: Facts, node: str) -> None:
    """Each running replica answers a pod of the node at the replica's own address."""
    silent = {name: queries for name, queries in replicas(facts, node).items() if not queries.ms}
    if silent and all((node, at) in causes.lost_pairs(facts) for at in map(node_of, silent)):
        raise InconclusiveError(f"{node}: no packet reaches {', '.join(silent)}")
    require(
        not silent,
        at=f"{node}: queries of a pod to replicas of the cluster DNS",
        expected="an answer of each replica",
        seen=", ".join(f"{name}: {queries.problem}" for name, queries in silent.items()),
        likely="CoreDNS does not respond there, or UDP to it is dropped",
        look=COREDNS.format(next(iter(silent), "").split(" ")[0]),
        code=Code.DNS_NO_ANSWER,
    )


@detects("dns-slow")
def test_every_dns_replica_answers_in_time(facts: Facts, node: str) -> None:
    """No replica answers so late that a resolver would repeat the query."""
    late = {
        name: queries.ms
        for name, queries in replicas(facts, node).items()
        if queries.ms and (max(queries.ms) >= LATE_MS or median(queries.ms) >= SLOW_MS)
    }
    require(
        not late,
        at=f"{node}: queries of a pod to replicas of the cluster DNS",
        expected=f"median below {SLOW_MS} ms, and no answer after {LATE_MS} ms",
        seen=", ".join(f"{name}: {', '.join(map(str, ms))} ms" for name, ms in late.items()),
        likely="that replica has too little CPU or a slow upstream; 5 s is the second try of a "
        "resolver after a lost packet (conntrack race of two queries from one port)",
        look=COREDNS.format(next(iter(late), "").split(" ")[0]),
        code=Code.DNS_SLOW,
    )


@detects("dns-down")
def test_dns_answers_at_its_service(facts: Facts, node: str) -> None:
    """The cluster DNS answers every one of several queries at the address of its service."""
    queries = value_or_skip(paths(facts, node).queries).get(facts.services.dns)
    if queries is None:
        pytest.skip("kube-system has no service k8s-app=kube-dns")
    require(
        not queries.failed and max(queries.ms, default=0) < LATE_MS,
        at=f"{node}: queries of a pod to the cluster DNS at {facts.services.dns}",
        expected=f"an answer to each, in less than {LATE_MS} ms",
        seen=f"{queries.failed} without ({queries.problem or 'none'}), times {queries.ms} ms",
        likely="no replica runs, the node cannot reach one of them, or kube-proxy on the node is "
        "inactive",
        look=COREDNS.format("-l k8s-app=kube-dns"),
        code=Code.DNS_NO_ANSWER if queries.failed else Code.DNS_SLOW,
    )


@detects("dns-loop")
def test_upstream_name_servers_are_not_local(facts: Facts, node: str) -> None:
    """No name server that the kubelet passes to pods with dnsPolicy Default is a loopback address.

    Such an address is that of the pod itself, so CoreDNS would forward queries to itself.
    """
    seen = value_or_skip(facts.view(node).upstream_nameservers)
    local = [address for address in seen if is_local(address)]
    require(
        not local,
        at=f"{node}: nameserver in /etc/resolv.conf of a pod with dnsPolicy Default",
        expected="no loopback address",
        seen=", ".join(seen),
        likely="/etc/resolv.conf of the node is the stub of systemd-resolved or of another local "
        "resolver, and resolvConf of the kubelet does not name a file with other servers",
        look=f"kubectl get --raw /api/v1/nodes/{node}/proxy/configz; on {node}: grep nameserver "
        "/etc/resolv.conf /run/systemd/resolve/resolv.conf",
        code=Code.NAMESERVER_LOCAL,
    )


def is_local(address: str) -> bool:
    """Return whether an address is that of the pod itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return parsed.is_loopback or parsed.is_unspecified


def replicas(facts: Facts, node: str) -> dict[str, Queries]:
    """Return the queries to each replica, by "NAME on NODE"."""
    queries, running = value_or_skip(paths(facts, node).queries), value_or_skip(facts.dns)
    if not facts.services.dns:
        pytest.skip("kube-system has no service k8s-app=kube-dns")
    require(
        bool(running),
        at="the cluster DNS",
        expected="at least one running pod k8s-app=kube-dns",
        seen="none",
        likely="its Deployment is scaled to 0, or its pods do not start",
        look="kubectl get deployment,pods -n kube-system -l k8s-app=kube-dns",
        code=Code.DNS_NOT_RUNNING,
    )
    return {
        f"{pod.name} on {pod.node}": queries[pod.address]
        for pod in running
        if pod.address in queries
    }


def node_of(replica: str) -> str:
    """Return the node in a replica's "NAME on NODE"."""
    return replica.rpartition(" on ")[2]


def test_headless_service_names_its_pods(facts: Facts, live: RunHandle) -> None:
    """The name of a headless service resolves to the addresses of all its pods."""
    unreachable = causes.unreachable_kubelets(facts)
    probes = {node: probe for node, probe in live.net_probes().items() if node not in unreachable}
    if not probes:
        raise InconclusiveError("no node runs a probe that can send queries")
    node, probe = min(probes.items())
    require_dns(facts, node)
    name = f"{services.HEADLESS}.{live.run.namespace}.svc"
    script = f"sh /probe/collect.sh pod {live.run.id} lookup={name}"
    label = f"{base.APP_LABEL}={base.NET_PROBE}"

    def look_up() -> tuple[set[str], set[str]]:
        pods = live.cluster.items(live.path("pods"), labelSelector=label)
        want = {pod["status"]["podIP"] for pod in pods if is_ready(pod)}
        printed = by_kind(live.shell(probe, script).stdout).get("lookup", "")
        return want, {
            address for each in parse_lookups(printed).values() for address in each.addresses
        }

    def is_over(result: tuple[set[str], set[str]]) -> bool:
        return result[0] == result[1] or prerequisites.is_inactive(live)

    try:
        want, seen = poll_until(look_up, is_over, min(live.patience, CACHE_SECONDS), every=2.0)
    except WaitTimeout as late:
        want, seen = late.last
        raise CheckFailed(
            at=f"{node}: DNS lookup of the headless service {name}",
            expected=", ".join(sorted(want)),
            seen=", ".join(sorted(seen)) or "no address",
            likely="CoreDNS does not follow EndpointSlices, or cannot be reached",
            look="kubectl get endpointslices -A -l kubernetes.io/service-name=headless; "
            "kubectl logs -n kube-system -l k8s-app=kube-dns",
            code=Code.DNS_RECORD_WRONG,
        ) from None
    if want != seen:
        prerequisites.require_controllers(live)


def require_dns(facts: Facts, node: str) -> None:
    """Require that the cluster DNS answers the node and knows the run's services.

    Raises:
        InconclusiveError: one of them is not so; names the check that covers it.
    """
    found = paths(facts, node)
    queries = {} if isinstance(found.queries, Unavailable) else found.queries
    at_service = queries.get(facts.services.dns)
    if at_service and not at_service.ms:
        raise InconclusiveError(
            f"{node}: no answer at {facts.services.dns}, the cluster DNS: {at_service.problem} "
            "(see test_dns_answers_at_its_service)"
        )
    web = f"{base.WEB}.{facts.services.namespace}.svc"
    for name, view in facts.views.items():
        lookup = None if isinstance(view.lookups, Unavailable) else view.lookups.get(web)
        if lookup and not lookup.addresses:
            raise InconclusiveError(
                f"{name}: the cluster DNS does not know {web} "
                f"(see test_service_name_resolves[{name}])"
            )
