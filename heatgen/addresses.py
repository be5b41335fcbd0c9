# SPDX-License-Identifier: Apache-2.0
"""Addresses that are known before anything is created.

Control-plane nodes take the 10th address of the nodes' network and upward, the API's own address
is the one before; what Neutron hands out (workers, its own ports) begins at the 20th, so the two
never meet.
"""

from ipaddress import IPv4Address, IPv4Network

API = 9
FIRST_CONTROL = 10
FIRST_POOL = 20
NEUTRON_PORTS = 2
"""Addresses of the pool that Neutron may need for DHCP agents."""


def control_addresses(nodes: IPv4Network, count: int) -> tuple[IPv4Address, ...]:
    """Fixed addresses of the control-plane nodes."""
    return tuple(nodes[FIRST_CONTROL + index] for index in range(count))


def api_address(nodes: IPv4Network) -> IPv4Address:
    """Address of the API where it is not a control-plane node's own."""
    return nodes[API]


def pool(nodes: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    """First and last address that Neutron may hand out."""
    return nodes[FIRST_POOL], nodes[-2]


def worker_capacity(nodes: IPv4Network) -> int:
    """How many workers find an address; negative or zero when the network is too small."""
    return nodes.num_addresses - 1 - FIRST_POOL - NEUTRON_PORTS


def service_address(services: IPv4Network) -> IPv4Address:
    """Address of the service ``kubernetes``: the first of the range, as the apiserver takes it."""
    return services[1]


def dns_address(services: IPv4Network) -> IPv4Address:
    """Address of the cluster's DNS: the 10th of the range, by convention."""
    return services[10]
