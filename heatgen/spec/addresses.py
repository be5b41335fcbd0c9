# SPDX-License-Identifier: Apache-2.0
"""Addresses that are known before anything is created.

The API's own address comes first, the control-plane nodes' follow. In a subnet of ours that is the
9th address of the nodes' network and upward; what Neutron hands out (workers, its own ports) begins
at the 20th, so the two never meet. In a subnet that is there the user may say where to begin.
"""

from ipaddress import IPv4Address, IPv4Network

FIRST = 9
FIRST_POOL = 20
NEUTRON_PORTS = 2
"""Addresses of the pool that Neutron may need for DHCP agents."""


def control_addresses(first: IPv4Address, count: int) -> tuple[IPv4Address, ...]:
    """Fixed addresses of the control-plane nodes; the address before is the API's."""
    return tuple(first + 1 + index for index in range(count))


def pool(nodes: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    """First and last address that Neutron may hand out."""
    return nodes[FIRST_POOL], nodes[-2]


def worker_capacity(nodes: IPv4Network) -> int:
    """How many workers find an address in a subnet of ours; 0 or less if it is too small."""
    return nodes.num_addresses - 1 - FIRST_POOL - NEUTRON_PORTS


def shared_capacity(nodes: IPv4Network, control: int) -> int:
    """How many workers find an address in a subnet that is there, if nobody else is in it.

    Network, broadcast, gateway and the planned addresses are taken.
    """
    return nodes.num_addresses - 3 - (control + 1) - NEUTRON_PORTS


def pod_capacity(pods: IPv4Network, prefix: int) -> int:
    """How many nodes find a part of the pods' network, each with this prefix length.

    As flannel counts: the first part is never leased, and there must be four at least.
    """
    bits = prefix - pods.prefixlen
    return 2**bits - 1 if bits >= 2 else 0


def service_address(services: IPv4Network) -> IPv4Address:
    """Address of the service ``kubernetes``: the first of the range, as the apiserver takes it."""
    return services[1]


def dns_address(services: IPv4Network) -> IPv4Address:
    """Address of the cluster's DNS: the 10th of the range, by convention."""
    return services[10]
