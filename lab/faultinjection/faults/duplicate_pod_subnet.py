# SPDX-License-Identifier: Apache-2.0
"""A worker has a second lease, of a quarter of another node's subnet.

etcd gives one key once, so two nodes share addresses only if their subnets differ in length, or
come of two plans. The quarter is one from which nobody has an address on that node, nor will soon:
what is wrong is the plan, not yet a pod.
"""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults._leases import delete, lease_of, leases, put
from lab.harness.cluster import Node

KIND = "real"
COMPANIONS = {
    "test_node_has_one_lease": "the worker has two",
    "test_subnet_env_is_the_lease": "the worker's first lease in etcd may be the wrong one",
    "test_lease_is_renewed": "the second lease has no end",
    "test_node_knows_the_way": "the worker's first lease in etcd may be the wrong one",
}

QUARTER, LENGTH = 64, "-26"
# The plug-in host-local gives one address after the other, and keeps a file of each.
ADDRESSES = "cd /var/lib/cni/networks/*/; ls | grep '[.]'; cat last_reserved_ip.0"


def inject(context: Context) -> Victims:
    """Lease the quarter to the worker."""
    other = context.control[0]
    key, _ = lease_of(context, other)
    _, mine = lease_of(context, context.victim)
    prefix = key.removesuffix(".0-24")
    put(context, f"{prefix}.{free_quarter(other) * QUARTER}{LENGTH}", mine)
    return hit(context.victim, other)


def free_quarter(node: Node) -> int:
    """A quarter of the node's subnet without addresses, and not the next to be given from."""
    found = [each for each in node.run(ADDRESSES).split() if each.count(".") == 3]
    *given, last = [int(each.rpartition(".")[2]) // QUARTER for each in found]
    free = [(last + ahead) % 4 for ahead in (2, 3) if (last + ahead) % 4 not in given]
    assert free, f"pods have addresses all over the subnet of {node.name}: {found}"
    return free[0]


def heal(context: Context) -> None:
    """Take every such lease away.

    flannel takes away the way to the node with it, which its true lease needs, too.
    """
    wrong = [key for key in leases(context) if key.endswith(LENGTH)]
    for key in wrong:
        delete(context, key)
    context.on(context.nodes, "systemctl restart flanneld")
