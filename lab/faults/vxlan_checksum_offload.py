# SPDX-License-Identifier: Apache-2.0
"""A worker's pods lose the first packets of connections to ClusterIPs behind other nodes.

In the wild the card makes wrong checksums of what the node has translated and wrapped in VXLAN,
and for 63 s each try is lost. A veth makes no checksums, so the same packets are dropped on their
way into flannel.1.
"""

from lab.faults import _ways
from lab.trial.scene import Scene, Victims, hit

KIND = "effect"
SAYS = ("checksum",)
COMPANIONS = {
    "test_cluster_ip_answers_*": _ways.BEHIND,
    "test_node_port_answers": _ways.BEHIND,
    "test_no_request_fails": _ways.BEHIND,
    "test_client_keeps_its_pod": _ways.BEHIND,
    "test_endpoints_follow_a_scale_up_and_down": _ways.BEHIND,
}
UNASKED = "what a pod there asks by TCP at a service's address has no answer"

RULE = "POSTROUTING -o flannel.1 -p tcp --syn -m conntrack --ctstate DNAT -j DROP"


def inject(scene: Scene) -> Victims:
    """Drop the first packets of translated connections, and each repetition of them."""
    _ways.add_rule(scene.victim, RULE, "mangle")
    return hit(scene.victim)


def heal(scene: Scene) -> None:
    """Take the rule away."""
    _ways.drop_rules([scene.victim], scene, "mangle")
