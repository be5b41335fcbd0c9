# SPDX-License-Identifier: Apache-2.0
"""Layer 4, the network: flannel's leases are valid, and every node applies them."""

from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network

import pytest

from conformance.codes import Code
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts, Lease
from conformance.faults import detects
from conformance.outcome import require, value_or_skip
from conformance.support import back_ends
from conformance.support.flannel import env_of, lease_of, lease_of_subnet, lease_seconds, leases

pytestmark = pytest.mark.network

LEASE_SECONDS = 86400  # the time to live that flannel requests


# ---- leases: one for each node ----


@detects("lease-missing", "wrong-interface")
def test_node_has_one_lease(facts: Facts, node: str) -> None:
    """Flannel has exactly one lease for the internal address of the node."""
    address = facts.nodes[node].address
    held = [lease for lease in leases(facts) if lease.public_ip == address]
    require(
        len(held) == 1,
        at=f"{node}: flannel leases in etcd",
        expected=f"one with PublicIP {address}",
        seen=", ".join(f"{lease.subnet} of {lease.public_ip}" for lease in leases(facts)) or "none",
        likely="flanneld does not run, uses another interface (-iface), or its lease has expired",
        look=f"on {node}: journalctl -u flanneld -n 50",
        code=Code.FLANNEL_LEASE_MISSING,
    )


@detects("wrong-interface")
def test_lease_address_is_in_the_node_network(
    facts: Facts, expected: Expectation, node: str
) -> None:
    """The address in the lease, to which other nodes send, is in the nodes' own network."""
    lease = lease_of_subnet(facts, node)
    network = expected.networks.get("nodes")
    known_addresses = {status.address for status in facts.nodes.values()}
    within = (
        ip_address(lease.public_ip) in ip_network(network)
        if network
        else lease.public_ip in known_addresses
    )
    require(
        within,
        at=f"{node}: PublicIP of its lease {lease.subnet}",
        expected=f"{facts.nodes[node].address}, in {network or 'the list of internal addresses'}",
        seen=lease.public_ip,
        likely="flanneld was started with another interface (-iface), or uses the first one it "
        "found",
        look=f"on {node}: systemctl cat flanneld; cat /etc/flannel/flanneld.env; ip route",
        code=Code.FLANNEL_LEASE_ADDRESS_WRONG,
    )


def test_lease_is_renewed(facts: Facts, node: str) -> None:
    """The remaining time to live of the node's lease is positive and not above flannel's limit."""
    lease = lease_of_subnet(facts, node)
    left = lease_seconds(facts, lease.subnet)
    require(
        0 < left <= LEASE_SECONDS,
        at=f"{node}: time to live of the flannel lease {lease.subnet}",
        expected=f"more than 0 s, at most {LEASE_SECONDS} s",
        seen=f"{left} s",
        likely="flanneld does not renew its lease, or the lease was created without an expiry time",
        look=f"on {node}: journalctl -u flanneld -n 50; etcdctl lease list",
        code=Code.FLANNEL_LEASE_NOT_RENEWED,
    )


@detects("duplicate-pod-subnet")
def test_lease_overlaps_no_other(facts: Facts, expected: Expectation, node: str) -> None:
    """The subnet of the node is inside the pod network and overlaps no other node's subnet."""
    mine = lease_of(facts, node)
    pods = expected.networks.get("pods") or env_of(facts, node).network
    is_inside = ip_network(mine.subnet).subnet_of(ip_network(pods))  # type: ignore[arg-type]
    clashes = [
        f"{other.subnet} of {holder(facts, other)}"
        for other in leases(facts)
        if other.public_ip != mine.public_ip
        and ip_network(other.subnet).overlaps(ip_network(mine.subnet))
    ]
    require(
        is_inside and not clashes,
        at=f"{node}: flannel lease {mine.subnet}",
        expected=f"a subnet of {pods} that no other node has",
        seen=", ".join(clashes) or f"{mine.subnet} is outside the pod network",
        likely="two flannel networks share etcd, or the network's configuration was changed later",
        look=f"etcdctl get --prefix /coreos.com/network/; on {node}: cat /run/flannel/subnet.env",
        code=Code.POD_SUBNET_OVERLAPS if clashes else Code.POD_SUBNET_OUTSIDE_NETWORK,
    )


def holder(facts: Facts, lease: Lease) -> str:
    """Return the node that has the address of the lease, or the address if there is no such."""
    named = (name for name, node in facts.nodes.items() if node.address == lease.public_ip)
    return next(named, lease.public_ip)


# ---- the node's own configuration ----


@detects("subnet-env-missing")
def test_subnet_env_matches_the_lease(facts: Facts, node: str) -> None:
    """The subnet in /run/flannel/subnet.env is the subnet of the node's lease."""
    lease, env = lease_of(facts, node), env_of(facts, node)
    require(
        ip_interface(env.subnet).network == ip_network(lease.subnet),
        at=f"{node}: /run/flannel/subnet.env",
        expected=f"{lease.subnet}, the node's lease in etcd",
        seen=env.subnet,
        likely="flanneld has a new lease, and the node still uses the old one",
        look=f"on {node}: systemctl restart flanneld; then restart the pods of the node",
        code=Code.SUBNET_ENV_STALE,
    )


def test_bridge_has_the_gateway_address(facts: Facts, node: str) -> None:
    """The bridge cni0 has the gateway address of the node's subnet, or of its first part."""
    env, links = env_of(facts, node), value_or_skip(facts.view(node).links)
    if "cni0" not in links:
        pytest.skip(f"{node}: no bridge cni0; another check covers the addresses of pods")
    bridge, leased = links["cni0"], ip_interface(env.subnet)
    own = [ip_interface(address) for address in bridge.addresses]
    require(
        len(own) == 1 and own[0].ip == leased.ip and inside(own[0], leased),
        at=f"{node}: addresses of cni0",
        expected=env.subnet,
        seen=", ".join(bridge.addresses) or "none",
        likely="cni0 was created for an earlier lease",
        look=f"on {node}: ip address show cni0; ip link delete cni0 (the CNI plug-in recreates it)",
        code=Code.BRIDGE_ADDRESS_WRONG,
    )


def test_docker0_uses_the_lease(facts: Facts, docker_node: str) -> None:
    """docker0 has flannel's MTU and addresses of the node's lease that no pod uses."""
    env, links = env_of(facts, docker_node), value_or_skip(facts.view(docker_node).links)
    seen = links.get("docker0")
    own = [ip_interface(address) for address in seen.addresses] if seen else []
    pods = [ip_interface(address) for address in links["cni0"].addresses] if "cni0" in links else []
    require(
        seen is not None
        and seen.mtu == env.mtu
        and len(own) == 1
        and inside(own[0], ip_interface(env.subnet))
        and not any(own[0].network.overlaps(other.network) for other in pods),
        at=f"{docker_node}: docker0",
        expected=f"a part of {env.subnet} that cni0 does not use, MTU {env.mtu}",
        seen=f"{', '.join(seen.addresses) or 'no address'}, MTU {seen.mtu}, while cni0 has "
        f"{', '.join(map(str, pods)) or 'none'}"
        if seen
        else "no such device",
        likely="Docker was started before flannel had its lease, and was not restarted since",
        look=f"on {docker_node}: cat /run/flannel/docker.env; systemctl restart docker",
        code=Code.BRIDGE_ADDRESS_WRONG,
    )


def inside(part: IPv4Interface | IPv6Interface, whole: IPv4Interface | IPv6Interface) -> bool:
    """Return whether the network of the first address is a part of that of the second."""
    return part.network.subnet_of(whole.network)  # type: ignore[arg-type]


def test_pods_have_addresses_of_the_subnet(facts: Facts, node: str) -> None:
    """Every running pod of the node has an address of the node's subnet."""
    subnet = ip_interface(env_of(facts, node).subnet).network
    outside = [
        f"{pod.namespace}/{pod.name} {pod.address}"
        for pod in facts.pods
        if pod.node == node and ip_address(pod.address) not in subnet
    ]
    require(
        not outside,
        at=f"{node}: addresses of its pods",
        expected=f"all in {subnet}",
        seen=", ".join(outside),
        likely="the pods were started with an earlier lease or another CNI configuration",
        look=f"on {node}: ls /etc/cni/net.d; delete these pods so that they are recreated",
        code=Code.POD_ADDRESS_OUTSIDE_SUBNET,
    )


def test_lease_matches_the_device(facts: Facts, node: str) -> None:
    """The node has the device of the back end in its lease; for VXLAN with the lease's MAC."""
    lease, links = lease_of(facts, node), value_or_skip(facts.view(node).links)
    used, under = back_ends.of(facts), back_ends.underlay(facts, node)
    name = used.device or (under[0] if under else f"with {facts.nodes[node].address}")
    device = links.get(name)
    wanted, seen = "up", f"no device {name}"
    if device is not None:
        seen = "up" if device.up else "down"
    if used.device and lease.backend == back_ends.VXLAN:
        wanted = f"{lease.mac}, as in the lease"
        seen = device.mac if device else seen
    require(
        seen == (lease.mac if lease.backend == back_ends.VXLAN else "up"),
        at=f"{node}: {name}",
        expected=wanted,
        seen=seen,
        likely=f"{name} was recreated or deleted, but flanneld has not updated its lease",
        look=f"on {node}: systemctl restart flanneld; ip -d link show {name}",
        code=Code.FLANNEL_LEASE_MAC_WRONG,
    )


@detects("stale-fdb")
def test_node_has_route_to_peer(facts: Facts, source: str, target: str) -> None:
    """The source has the route to the target's pods, for VXLAN with FDB and ARP entry."""
    lease, used = lease_of(facts, target), back_ends.of(facts)
    value_or_skip(facts.view(source).routes)
    if lease.backend != back_ends.VXLAN or back_ends.is_direct(facts, source, lease):
        missing = missing_route(facts, source, lease, used)
    else:
        missing = missing_vxlan_entries(facts, source, lease, used)
    vxlan = ""
    if lease.backend == back_ends.VXLAN:
        vxlan = f"bridge fdb show dev {used.device}; ip neighbour show dev {used.device}; "
    require(
        not any(missing.values()),
        at=f"{source}: how {used.device or 'its network'} reaches {target}",
        expected="; ".join(missing),
        seen="lacks " + "; ".join(entry for entry, lacks in missing.items() if lacks),
        likely=f"flanneld on {source} missed the lease of {target}, or uses an old one",
        look=f"on {source}: ip route; {vxlan}journalctl -u flanneld -n 50",
        code=Code.OVERLAY_ENTRY_MISSING,
    )


def missing_route(
    facts: Facts, source: str, lease: Lease, used: back_ends.BackEnd
) -> dict[str, bool]:
    """Return whether the route to a lease without VXLAN is missing, by its description."""
    if used.name == back_ends.WIREGUARD:
        lacks = not back_ends.covering(facts, source, lease, used.device)
        return {f"route: {lease.subnet} or larger dev {used.device}": lacks}
    lacks = not back_ends.is_direct(facts, source, lease)
    return {f"route: {lease.subnet} via {lease.public_ip}": lacks}


def missing_vxlan_entries(
    facts: Facts, source: str, lease: Lease, used: back_ends.BackEnd
) -> dict[str, bool]:
    """Return whether each entry for a lease is missing, by its description."""
    view, device = facts.view(source), used.device
    vtep = str(ip_network(lease.subnet).network_address)
    return {
        f"fdb: {lease.mac} dst {lease.public_ip}": (lease.mac, lease.public_ip)
        not in {(entry.mac, entry.address) for entry in value_or_skip(view.forwards)},
        f"arp: {vtep} lladdr {lease.mac}": (vtep, lease.mac)
        not in {(entry.address, entry.mac) for entry in value_or_skip(view.neighbours)},
        f"route: {lease.subnet} via {vtep} dev {device}": (lease.subnet, vtep, device)
        not in {(route.to, route.via, route.device) for route in value_or_skip(view.routes)},
    }
