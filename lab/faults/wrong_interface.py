# SPDX-License-Identifier: Apache-2.0
"""A worker's flanneld takes another interface, in a network that no other node has a way to."""

from lab.faults import _ways
from lab.trial.scene import Scene, Victims, hit

KIND = "real"
SAYS = ("198.18.0.5", "-iface")
COMPANIONS = (
    _ways.COMPANIONS
    | _ways.HOSTS
    | {
        "test_pod_reaches_pod": "the others send the worker's packets to nowhere",
        "test_node_knows_the_way": "there is no lease for the node's own address",
    }
)
UNASKED = _ways.UNASKED

ADDRESS, DEVICE = "198.18.0.5", "heatgen-fault"


def inject(scene: Scene) -> Victims:
    """Give it such an interface, and tell flanneld to use it."""
    node = scene.victim
    node.run(
        f"ip link add {DEVICE} type bridge; ip address add {ADDRESS}/24 dev {DEVICE}; "
        f"ip link set {DEVICE} mtu $(cat /sys/class/net/eth0/mtu) up; "
        f"sed -i 's/^FLANNELD_IFACE=.*/FLANNELD_IFACE={ADDRESS}/' {_ways.FLANNEL_ENV}; "
        "systemctl restart flanneld"
    )
    return hit(node)


def heal(scene: Scene) -> None:
    """Back to the node's own address."""
    node = scene.victim
    node.run(
        f"sed -i 's/^FLANNELD_IFACE=.*/FLANNELD_IFACE={node.address}/' {_ways.FLANNEL_ENV}; "
        f"systemctl restart flanneld; ip link del {DEVICE} 2>/dev/null || true"
    )
