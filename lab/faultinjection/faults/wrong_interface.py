# SPDX-License-Identifier: Apache-2.0
"""A worker's flanneld takes another interface, in a network that no other node has a way to.

The lease of its right address ends after a day; here it is taken away at once.
"""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared
from lab.faultinjection.faults._leases import delete, lease_of, leases, put

KIND = "real"
SAYS = ("198.18.0.5", "-iface")
COMPANIONS = (
    _shared.COMPANIONS
    | _shared.HOSTS
    | {
        "test_pod_reaches_pod": "the others send the worker's packets to nowhere",
        "test_node_knows_the_way": "there is no lease for the node's own address",
        "test_pods_have_addresses_of_the_subnet": "a pod that was there has one of the old lease",
    }
)
UNASKED = _shared.UNASKED

ADDRESS, DEVICE = "198.18.0.5", "heatgen-fault"


def inject(context: Context) -> Victims:
    """Give it such an interface, tell flanneld to use it, and let the right lease end."""
    node = context.victim
    key, value = lease_of(context, node)
    context.keep("lease", [key, value])
    node.run(
        f"ip link add {DEVICE} type bridge; ip address add {ADDRESS}/24 dev {DEVICE}; "
        f"ip link set {DEVICE} mtu $(cat /sys/class/net/eth0/mtu) up; "
        f"sed -i 's/^FLANNELD_IFACE=.*/FLANNELD_IFACE={ADDRESS}/' {_shared.FLANNEL_ENV}; "
        "systemctl restart flanneld"
    )
    delete(context, key)
    return hit(node)


def heal(context: Context) -> None:
    """Back to the node's own address, and to the subnet that its pods are of."""
    node = context.victim
    there = leases(context)
    for key, value in there.items():
        if value["PublicIP"] == ADDRESS:
            delete(context, key)
    key, value = context.kept("lease", ["", {}])
    if key and key not in there:
        put(context, key, value)
    node.run(
        f"sed -i 's/^FLANNELD_IFACE=.*/FLANNELD_IFACE={node.address}/' {_shared.FLANNEL_ENV}; "
        f"systemctl restart flanneld; ip link del {DEVICE} 2>/dev/null || true"
    )
