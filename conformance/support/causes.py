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
    port = _vxlan_port(facts)
    if backend_of(facts) == "host-gw":
        return Diagnosis(
            Code.POD_ADDRESSES_DROPPED,
            "flannel's back end is host-gw, which sends packets with the addresses of pods: the "
            "cloud's port security drops them unless ports have allowed address pairs for the "
            "pod network",
        )
    if len(lost) == len(names) * (len(names) - 1) > 2:
        return Diagnosis(
            Code.OVERLAY_BLOCKED,
            f"no node reaches any other: a security group or a firewall drops UDP {port} "
            "(flannel's VXLAN) between all of them",
        )
    networks = {name: network_of(facts, name) for name in names}
    if lost == {(a, b) for a, b in permutations(names, 2) if networks[a] != networks[b]}:
        return Diagnosis(
            Code.OVERLAY_BLOCKED_BETWEEN_NETWORKS,
            f"only paths between {networks[source]} and {networks[target]} are lost: a router, a "
            f"firewall or a security group drops UDP {port} between the two",
        )
    for name in (source, target):
        if _all_of(name, names) <= lost and not lost - _all_of(name, names):
            return Diagnosis(
                Code.NODE_CUT_OFF,
                f"every path to and from {name} is lost, and no other: flannel.1, its routes, "
                f"ip_forward, the FORWARD chain or UDP {port} on {name}",
            )
    if (target, source) in lost:
        return Diagnosis(
            Code.PATH_LOST,
            f"both directions are lost: UDP {port} between the two nodes, in one or both "
            "directions",
        )
    return Diagnosis(
        Code.PATH_LOST_ONE_WAY,
        f"the reverse path works: {source} lacks the FDB entry, ARP entry or route for {target}",
    )


def backend_of(facts: Facts) -> str:
    """Return flannel's back end according to any lease, or an empty string without leases."""
    found = [facts.noted_leases, *(view.leases for view in facts.views.values())]
    leases = [lease for each in found if isinstance(each, list) for lease in each]
    return leases[0].backend if leases else ""


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


def _vxlan_port(facts: Facts) -> int:
    """Return the port of flannel.1 on any node; flannel's default if it is unknown."""
    for view in facts.views.values():
        if not isinstance(view.links, Unavailable) and "flannel.1" in view.links:
            return view.links["flannel.1"].port or 8472
    return 8472
