# SPDX-License-Identifier: Apache-2.0
"""Likely causes of lost packets, derived from which paths fail: one, those of a node, or all."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_interface
from itertools import permutations

from conformance.api.execute import NO_KUBELET
from conformance.codes import Code
from conformance.facts.model import Facts
from conformance.facts.network import Ping
from conformance.outcome import Unavailable
from conformance.support import back_ends

Pair = tuple[str, str]


@dataclass(frozen=True)
class Diagnosis:
    """The kind of failure and its likely cause."""

    code: Code
    likely: str


def lost_pairs(facts: Facts) -> set[Pair]:
    """Return the ordered pairs of different nodes between whose pods every ping was lost."""
    return {
        (source, target)
        for source, view in facts.views.items()
        if not isinstance(view.pod_pings, Unavailable)
        for target, ping in view.pod_pings.items()
        if source != target and is_lost(ping)
    }


def is_lost(ping: Ping) -> bool:
    """Return whether no reply was received."""
    return ping.received == 0


def unreachable_kubelets(facts: Facts) -> dict[str, str]:
    """Return the nodes whose kubelet does not answer, each with the error."""
    machines = {name: view.machine for name, view in facts.views.items()}
    return {
        name: machine.unasked
        for name, machine in machines.items()
        if isinstance(machine, Unavailable) and NO_KUBELET in machine.unasked
    }


def of_lost_ping(facts: Facts, source: str, target: str) -> Diagnosis:
    """Diagnose why pods on the source may not reach pods on the target."""
    lost = lost_pairs(facts)
    names = sorted(facts.views)
    traffic = back_ends.of(facts).traffic
    if _sends_pod_addresses(facts, source, target):
        return Diagnosis(
            Code.POD_ADDRESSES_DROPPED,
            "flannel sends packets with the addresses of pods (host-gw or DirectRouting): the "
            "cloud's port security drops them unless ports have allowed address pairs for the "
            "pod network, and security groups unless they accept the pod network",
        )
    if len(lost) == len(names) * (len(names) - 1) > 2:
        return Diagnosis(
            Code.OVERLAY_BLOCKED,
            f"no node reaches any other: a security group or a firewall drops "
            f"{traffic} between all of them",
        )
    networks = {name: network_of(facts, name) for name in names}
    if lost == {(a, b) for a, b in permutations(names, 2) if networks[a] != networks[b]}:
        return Diagnosis(
            Code.OVERLAY_BLOCKED_BETWEEN_NETWORKS,
            f"only paths between {networks[source]} and {networks[target]} are lost: a router, a "
            f"firewall or a security group drops {traffic} between the two",
        )
    for name in (source, target):
        if _all_of(name, names) <= lost and not lost - _all_of(name, names):
            return Diagnosis(
                Code.NODE_CUT_OFF,
                f"every path to and from {name} is lost, and no other: flannel's device "
                f"or routes, ip_forward, the FORWARD chain or {traffic} on {name}",
            )
    if (target, source) in lost:
        return Diagnosis(
            Code.PATH_LOST,
            f"both directions are lost: {traffic} between the two nodes, in one or both directions",
        )
    return Diagnosis(
        Code.PATH_LOST_ONE_WAY,
        f"the reverse path works: {source} lacks the FDB entry, ARP entry or route for {target}",
    )


def _sends_pod_addresses(facts: Facts, source: str, target: str) -> bool:
    """Return whether packets between two nodes have the addresses of pods."""
    if back_ends.name_of(facts) == back_ends.HOST_GW:
        return True
    address = facts.nodes[target].address if target in facts.nodes else ""
    view = facts.view(source)
    return not isinstance(view.routes, Unavailable) and any(
        route.via == address for route in view.routes
    )


def network_of(facts: Facts, node: str) -> str:
    """Return the network of the node's internal address, or an empty string if it is unknown."""
    links, address = (
        facts.view(node).links,
        facts.nodes[node].address if node in facts.nodes else "",
    )
    found = (
        []
        if isinstance(links, Unavailable)
        else [own for each in links.values() for own in each.addresses]
    )
    return next(
        (str(ip_interface(own).network) for own in found if own.partition("/")[0] == address), ""
    )


def _all_of(node: str, names: Iterable[str]) -> set[Pair]:
    return {pair for name in names if name != node for pair in ((node, name), (name, node))}
