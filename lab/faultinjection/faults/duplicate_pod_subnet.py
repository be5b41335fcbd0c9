# SPDX-License-Identifier: Apache-2.0
"""A worker has a second lease, for a quarter of another node's subnet.

A key in etcd is unique, so two nodes can share addresses only if their subnets differ in length, or
come from different configurations. The chosen quarter has no allocated addresses on that node, and
will not have any soon: only the leases overlap, no pod is affected.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults._leases import delete, lease_of, leases, put
from lab.harness.cluster import Node

KIND = "real"
COMPANIONS = {
    "test_node_has_one_lease": "the worker has two",
    "test_subnet_env_matches_the_lease": "the worker's first lease in etcd may be the wrong one",
    "test_lease_is_renewed": "the second lease does not expire",
    "test_node_has_route_to_peer": "the worker's first lease in etcd may be the wrong one",
}

QUARTER, LENGTH = 64, "-26"
# The plug-in host-local allocates addresses in ascending order, and stores a file for each.
ADDRESSES = "cd /var/lib/cni/networks/*/; ls | grep '[.]'; cat last_reserved_ip.0"


def inject(context: Context) -> Victims:
    """Create a lease of the quarter for the worker."""
    other = context.control[0]
    key, _ = lease_of(context, other)
    _, lease = lease_of(context, context.victim)
    prefix = key.removesuffix(".0-24")
    put(context, f"{prefix}.{free_quarter(other) * QUARTER}{LENGTH}", lease)
    return Victims.of(context.victim, other)


def free_quarter(node: Node) -> int:
    """Return a quarter of the node's subnet that has no addresses and is not used next."""
    found = [each for each in node.run(ADDRESSES).split() if each.count(".") == 3]
    *used, last = [int(each.rpartition(".")[2]) // QUARTER for each in found]
    free = [(last + ahead) % 4 for ahead in (2, 3) if (last + ahead) % 4 not in used]
    assert free, f"no free quarter in the pod subnet of {node.name}: {found}"
    return free[0]


def heal(context: Context) -> None:
    """Delete every such lease.

    flannel then also deletes the route to the node, which its correct lease needs: restart flannel.
    """
    wrong = [key for key in leases(context) if key.endswith(LENGTH)]
    for key in wrong:
        delete(context, key)
    context.run_on(context.nodes, "systemctl restart flanneld")
