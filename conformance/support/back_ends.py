# SPDX-License-Identifier: Apache-2.0
"""flannel's back end: how packets to pods of other nodes are sent, and what checks expect of it."""

from dataclasses import dataclass
from ipaddress import ip_network

from conformance.facts.model import Facts, Lease, Link
from conformance.outcome import Unavailable

VXLAN, HOST_GW, WIREGUARD = "vxlan", "host-gw", "wireguard"
WIREGUARD_DEVICE = "flannel-wg"
_VXLAN_PREFIX = "flannel."
"""Name of the device before the VNI."""


@dataclass(frozen=True)
class BackEnd:
    """A back end and its traffic between nodes."""

    name: str
    """Empty if it is not known."""
    device: str
    """Network device that encapsulates packets; empty for host-gw."""
    overhead: int
    """Bytes that it adds to a packet: outer IPv4 header and what follows."""
    traffic: str
    """What packet filters between nodes must accept."""
    capture: str
    """Filter of tcpdump for this traffic."""


def of(facts: Facts) -> BackEnd:
    """Return the back end of the cluster, by its leases or by the devices of nodes."""
    name, links = name_of(facts), _links(facts)
    if name == HOST_GW:
        return BackEnd(HOST_GW, "", 0, "packets with addresses of pods", "net <pod network>")
    if name == WIREGUARD:
        traffic = "the UDP port of flannel's WireGuard (51820 by default)"
        return BackEnd(WIREGUARD, WIREGUARD_DEVICE, 60, traffic, "udp port 51820")
    devices = (device for each in links for device in each if is_vxlan(device))
    device = next(devices, f"{_VXLAN_PREFIX}{_vni(facts)}")
    ports = [each[device].port for each in links if device in each]
    port = next((port for port in ports if port), 8472)
    return BackEnd(name, device, 50, f"UDP {port} (flannel's VXLAN)", f"udp port {port}")


def name_of(facts: Facts) -> str:
    """Return the name of the back end; empty without leases and devices."""
    if leases := _leases(facts):
        return leases[0].backend
    devices = {device for links in _links(facts) for device in links}
    if WIREGUARD_DEVICE in devices:
        return WIREGUARD
    return VXLAN if any(map(is_vxlan, devices)) else ""


def is_vxlan(device: str) -> bool:
    """Return whether a device has the name of flannel's VXLAN device for IPv4."""
    return device.startswith(_VXLAN_PREFIX) and device.removeprefix(_VXLAN_PREFIX).isdigit()


def is_direct(facts: Facts, source: str, lease: Lease) -> bool:
    """Return whether the source sends to the pods of a lease without encapsulation."""
    routes = facts.view(source).routes
    return not isinstance(routes, Unavailable) and any(
        (route.to, route.via) == (lease.subnet, lease.public_ip) for route in routes
    )


def covering(facts: Facts, source: str, lease: Lease, device: str) -> bool:
    """Return whether a route of the source to a device includes the pods of a lease."""
    routes = facts.view(source).routes
    if isinstance(routes, Unavailable):
        return False
    subnet = ip_network(lease.subnet)
    return any(
        route.device == device and subnet.subnet_of(ip_network(route.to))  # type: ignore[arg-type]
        for route in routes
        if "/" in route.to
    )


def underlay(facts: Facts, node: str) -> tuple[str, Link] | None:
    """Return the device with the node's internal address."""
    links, address = facts.view(node).links, facts.nodes[node].address
    if isinstance(links, Unavailable):
        return None
    return next(
        (
            (name, link)
            for name, link in links.items()
            if any(own.partition("/")[0] == address for own in link.addresses)
        ),
        None,
    )


def _leases(facts: Facts) -> list[Lease]:
    found = [facts.noted_leases, *(view.leases for view in facts.views.values())]
    return [lease for each in found if isinstance(each, list) for lease in each]


def _links(facts: Facts) -> list[dict[str, Link]]:
    return [view.links for view in facts.views.values() if not isinstance(view.links, Unavailable)]


def _vni(facts: Facts) -> int:
    return next((lease.vni for lease in _leases(facts) if lease.vni), 1)
