# SPDX-License-Identifier: Apache-2.0
"""Flannel's own words, as tests ask for them: the leases, and what a node was told of its own.

Where there is no flannel, or nobody can read them, the test that asks is skipped with the reason.
"""

from ipaddress import ip_interface, ip_network

import pytest

from conformance.facts.model import Facts, Lease, SubnetEnv
from conformance.outcome import Unavailable, require, value_or_skip

NO_FLANNEL = "no node runs flannel: neither its process nor /run/flannel/subnet.env is there"


def has_flannel(facts: Facts) -> bool:
    """Does any node run flannel, or show that it did?"""
    return any(
        view.flanneld is True or isinstance(view.subnet_env, SubnetEnv)
        for view in facts.views.values()
    )


def leases(facts: Facts) -> list[Lease]:
    """All leases: as noted on the nodes, else as the first node that can read etcd tells them."""
    if not has_flannel(facts):
        pytest.skip(NO_FLANNEL)
    if noted := [] if isinstance(facts.noted_leases, Unavailable) else facts.noted_leases:
        return noted
    told = [view.leases for view in facts.views.values() if view.leases is not None]
    if not told:
        pytest.skip("no node can read flannel's leases: none has both an etcd member and etcdctl")
    return next(
        (each for each in told if not isinstance(each, Unavailable)), None
    ) or value_or_skip(told[0])


def lease_of(facts: Facts, node: str) -> Lease:
    """The node's lease, found by its internal address. Without one there is nothing to compare."""
    address = facts.nodes[node].address
    held = [lease for lease in leases(facts) if lease.public_ip == address]
    if not held:
        pytest.skip(f"{node} has no lease (see test_node_has_one_lease)")
    return held[0]


def env_of(facts: Facts, node: str) -> SubnetEnv:
    """The node's subnet.env; on a node without it flannel has not started, which is a failure."""
    env = value_or_skip(facts.view(node).subnet_env)
    if env is None and not has_flannel(facts):
        pytest.skip(NO_FLANNEL)
    require(
        env is not None,
        at=f"{node}: /run/flannel/subnet.env",
        expected="the node's subnet",
        seen="no such file",
        likely="flanneld has not started: it cannot reach etcd, or found no network there",
        look=f"on {node}: journalctl -u flanneld -n 50",
    )
    assert env is not None
    return env


def lease_of_subnet(facts: Facts, node: str) -> Lease:
    """The lease of the subnet that the node uses, whatever address it names."""
    env = facts.view(node).subnet_env
    if isinstance(env, SubnetEnv):
        used = ip_interface(env.subnet).network
        for lease in leases(facts):
            if ip_network(lease.subnet) == used:
                return lease
    return lease_of(facts, node)


def lease_seconds(facts: Facts, subnet: str) -> int:
    """How long etcd keeps a lease yet, as the one node tells that was asked."""
    if not isinstance(facts.noted_leases, Unavailable) and facts.noted_leases:
        pytest.skip("flannel notes its leases on the nodes, where they have no end")
    views = (view.paths for view in facts.views.values())
    paths = [each for each in views if not isinstance(each, Unavailable)]
    told = [each.lease_seconds for each in paths if each.lease_seconds is not None]
    if not told:
        pytest.skip("no node was asked how long flannel's leases last")
    return value_or_skip(told[0]).get(subnet, 0)
