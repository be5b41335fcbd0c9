# SPDX-License-Identifier: Apache-2.0
"""Likely causes, read from the pattern of what failed: one path, one node, or all paths."""

from collections.abc import Iterable
from ipaddress import ip_interface
from itertools import permutations

from conformance.api.execute import NO_KUBELET
from conformance.facts.model import Facts
from conformance.facts.network import Ping
from conformance.outcome import Unavailable

Pair = tuple[str, str]


def lost_pairs(facts: Facts) -> set[Pair]:
    """The ordered pairs of different nodes between whose pods no ping came back."""
    return {
        (source, target)
        for source, view in facts.views.items()
        if not isinstance(view.pod_pings, Unavailable)
        for target, ping in view.pod_pings.items()
        if source != target and is_lost(ping)
    }


def is_lost(ping: Ping) -> bool:
    """Did no reply come back at all?"""
    return ping.received == 0


def deaf_nodes(facts: Facts) -> dict[str, str]:
    """Why nothing could be asked of a node's pods, by the nodes whose kubelet does not answer."""
    told = {name: view.machine for name, view in facts.views.items()}
    return {
        name: machine.unasked
        for name, machine in told.items()
        if isinstance(machine, Unavailable) and NO_KUBELET in machine.unasked
    }


def of_lost_ping(facts: Facts, source: str, target: str) -> str:
    """Why pods on `source` may not reach pods on `target`."""
    lost = lost_pairs(facts)
    names = sorted(facts.views)
    port = _vxlan_port(facts)
    if backend_of(facts) == "host-gw":
        return (
            "flannel's back end is host-gw, which sends packets under the pods' own addresses: the "
            "cloud's port security drops them unless ports have allowed address pairs for the "
            "pods' network"
        )
    if len(lost) == len(names) * (len(names) - 1) > 2:
        return (
            f"no node reaches any other: UDP {port} (flannel's VXLAN) is dropped between all of "
            "them, by a security group or a firewall"
        )
    networks = {name: network_of(facts, name) for name in names}
    if lost == {(a, b) for a, b in permutations(names, 2) if networks[a] != networks[b]}:
        return (
            f"only paths between {networks[source]} and {networks[target]} are lost: UDP {port} "
            "is dropped between the two, by a router, a firewall or a security group"
        )
    for name in (source, target):
        if _all_of(name, names) <= lost and not lost - _all_of(name, names):
            return (
                f"every path to and from {name} is lost, and no other: flannel.1, its routes, "
                f"ip_forward, the FORWARD chain or UDP {port} on {name}"
            )
    if (target, source) in lost:
        return f"both directions are lost: UDP {port} between the two nodes, one-way or both ways"
    return (
        f"the reverse path works: {source} lacks the FDB or ARP entry, or the route, for {target}"
    )


def backend_of(facts: Facts) -> str:
    """How flannel carries packets, by any lease that somebody read; '' if nobody did."""
    told = [facts.noted_leases, *(view.leases for view in facts.views.values())]
    leases = [lease for each in told if isinstance(each, list) for lease in each]
    return leases[0].backend if leases else ""


def network_of(facts: Facts, node: str) -> str:
    """The network that the node's own address is in, '' if its links do not tell."""
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
    """The port that flannel.1 uses; flannel's usual one if no node tells."""
    for view in facts.views.values():
        if not isinstance(view.links, Unavailable) and "flannel.1" in view.links:
            return view.links["flannel.1"].port or 8472
    return 8472
