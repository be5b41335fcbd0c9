# SPDX-License-Identifier: Apache-2.0
"""A worker's flanneld uses another interface, in a network that other nodes cannot reach.

The lease of its correct address would expire after a day; here it is deleted at once.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared
from lab.faultinjection.faults._leases import delete, lease_of, leases, put

KIND = "real"
MESSAGE_CONTAINS = ("198.18.0.5", "-iface")
COMPANIONS = (
    _shared.COMPANIONS
    | _shared.HOSTS
    | {
        "test_pod_reaches_pod": "other nodes send the worker's packets to an unreachable address",
        "test_node_has_route_to_peer": "no lease has the node's address",
        "test_pods_have_addresses_of_the_subnet": "existing pods have addresses of the old lease",
    }
)
INCONCLUSIVE = _shared.INCONCLUSIVE

ADDRESS, DEVICE = "198.18.0.5", "heatgen-fault"


def inject(context: Context) -> Victims:
    """Create such an interface, configure flanneld to use it, and delete the correct lease."""
    node = context.victim
    key, value = lease_of(context, node)
    context.save("lease", [key, value])
    node.run(
        f"ip link add {DEVICE} type bridge; ip address add {ADDRESS}/24 dev {DEVICE}; "
        f"ip link set {DEVICE} mtu $(cat /sys/class/net/eth0/mtu) up; "
        f"sed -i 's/^FLANNELD_IFACE=.*/FLANNELD_IFACE={ADDRESS}/' {_shared.FLANNEL_ENV}; "
        "systemctl restart flanneld"
    )
    delete(context, key)
    return Victims.of(node)


def heal(context: Context) -> None:
    """Restore the node's address and the lease of its previous subnet."""
    node = context.victim
    current = leases(context)
    for key, value in current.items():
        if value["PublicIP"] == ADDRESS:
            delete(context, key)
    key, value = context.saved("lease", ["", {}])
    if key and key not in current:
        put(context, key, value)
    node.run(
        f"sed -i 's/^FLANNELD_IFACE=.*/FLANNELD_IFACE={node.address}/' {_shared.FLANNEL_ENV}; "
        f"systemctl restart flanneld; ip link del {DEVICE} 2>/dev/null || true"
    )
