# SPDX-License-Identifier: Apache-2.0
"""flannel's leases and the subnet files of nodes.

Checks that need them are skipped where flannel is not used or its leases cannot be read.
"""

from ipaddress import ip_interface, ip_network

import pytest

from conformance.codes import Code
from conformance.facts.model import Facts, Lease, SubnetEnv
from conformance.outcome import Unavailable, require, value_or_skip

NO_FLANNEL = "no node runs flannel: neither its process nor /run/flannel/subnet.env exists"


def has_flannel(facts: Facts) -> bool:
    """Return whether any node runs flannel or has its subnet file."""
    return any(
        view.flanneld is True or isinstance(view.subnet_env, SubnetEnv)
        for view in facts.views.values()
    )


def leases(facts: Facts) -> list[Lease]:
    """Return all leases, from the nodes' annotations or from a node that can read etcd."""
    if not has_flannel(facts):
        pytest.skip(NO_FLANNEL)
    if noted := [] if isinstance(facts.noted_leases, Unavailable) else facts.noted_leases:
        return noted
    found = [view.leases for view in facts.views.values() if view.leases is not None]
    if not found:
        pytest.skip("no node can read flannel's leases: none has both an etcd member and etcdctl")
    return next(
        (each for each in found if not isinstance(each, Unavailable)), None
    ) or value_or_skip(found[0])


def lease_of(facts: Facts, node: str) -> Lease:
    """Return the lease with the node's internal address; skip if it does not exist."""
    address = facts.nodes[node].address
    held = [lease for lease in leases(facts) if lease.public_ip == address]
    if not held:
        pytest.skip(f"{node} has no lease (see test_node_has_one_lease)")
    return held[0]


def env_of(facts: Facts, node: str) -> SubnetEnv:
    """Return the node's subnet.env; fail if the file is missing where flannel is used."""
    env = value_or_skip(facts.view(node).subnet_env)
    if env is None and not has_flannel(facts):
        pytest.skip(NO_FLANNEL)
    require(
        env is not None,
        at=f"{node}: /run/flannel/subnet.env",
        expected="the subnet of the node",
        seen="no such file",
        likely="flanneld has not started: it cannot reach etcd, or found no network there",
        look=f"on {node}: journalctl -u flanneld -n 50",
        code=Code.SUBNET_ENV_MISSING,
    )
    assert env is not None
    return env


def lease_of_subnet(facts: Facts, node: str) -> Lease:
    """Return the lease of the subnet that the node uses, whatever address the lease has."""
    env = facts.view(node).subnet_env
    if isinstance(env, SubnetEnv):
        used = ip_interface(env.subnet).network
        for lease in leases(facts):
            if ip_network(lease.subnet) == used:
                return lease
    return lease_of(facts, node)


def lease_seconds(facts: Facts, subnet: str) -> int:
    """Return the remaining time to live of a lease in etcd, which one node reports."""
    if not isinstance(facts.noted_leases, Unavailable) and facts.noted_leases:
        pytest.skip("flannel keeps its leases in node annotations, which do not expire")
    views = (view.paths for view in facts.views.values())
    paths = [each for each in views if not isinstance(each, Unavailable)]
    found = [each.lease_seconds for each in paths if each.lease_seconds is not None]
    if not found:
        pytest.skip("no node reported the time to live of flannel's leases")
    return value_or_skip(found[0]).get(subnet, 0)
