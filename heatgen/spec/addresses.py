# SPDX-License-Identifier: Apache-2.0
"""Addresses that are known before anything is created.

The address of the API is followed by those of the control-plane nodes. In a subnet that the stack
creates they start at the 9th address; Neutron's allocation pool (workers, Neutron's own ports)
starts at the 20th, so that the two ranges do not overlap. In an existing subnet the user can set
the first address.
"""

from ipaddress import IPv4Address, IPv4Network

FIRST = 9
FIRST_POOL = 20
NEUTRON_PORTS = 2
"""Addresses of the allocation pool that Neutron may use for DHCP agents."""


def control_addresses(first: IPv4Address, count: int) -> tuple[IPv4Address, ...]:
    """Return the fixed addresses of the control-plane nodes; ``first`` is that of the API."""
    return tuple(first + 1 + index for index in range(count))


def pool(nodes: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    """Return the first and last address of Neutron's allocation pool."""
    return nodes[FIRST_POOL], nodes[-2]


def worker_capacity(nodes: IPv4Network) -> int:
    """Return how many workers fit into a new subnet; 0 or less if it is too small."""
    return nodes.num_addresses - 1 - FIRST_POOL - NEUTRON_PORTS


def shared_capacity(nodes: IPv4Network, control: int) -> int:
    """Return how many workers fit into an existing subnet that nothing else uses.

    The addresses of network, broadcast, gateway, API and control plane are not available.
    """
    return nodes.num_addresses - 3 - (control + 1) - NEUTRON_PORTS


def pod_capacity(pods: IPv4Network, prefix: int) -> int:
    """Return how many nodes can lease a subnet with this prefix length of the pod network.

    As in flannel, the first subnet is never leased, and there must be at least four.
    """
    bits = prefix - pods.prefixlen
    return 2**bits - 1 if bits >= 2 else 0


def service_address(services: IPv4Network) -> IPv4Address:
    """Return the address of the service ``kubernetes``: kube-apiserver uses the range's first."""
    return services[1]


def dns_address(services: IPv4Network) -> IPv4Address:
    """Return the address of the cluster's DNS: the 10th of the range, by convention."""
    return services[10]
