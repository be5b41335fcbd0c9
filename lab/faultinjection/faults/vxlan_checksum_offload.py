# SPDX-License-Identifier: Apache-2.0
"""A worker's pods lose the first packets of connections to ClusterIPs behind other nodes.

In the wild the card makes wrong checksums of what the node has translated and wrapped in VXLAN,
and for 63 s each try is lost. A veth makes no checksums, so the same packets are dropped on their
way into flannel.1.
"""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared

KIND = "effect"
SAYS = ("checksum",)
COMPANIONS = {
    "test_cluster_ip_answers_*": _shared.BEHIND,
    "test_node_port_answers": _shared.BEHIND,
    "test_no_request_fails": _shared.BEHIND,
    "test_client_keeps_its_pod": _shared.BEHIND,
    "test_endpoints_follow_a_scale_up_and_down": _shared.BEHIND,
}
UNASKED = "what a pod there asks by TCP at a service's address has no answer"

RULE = "POSTROUTING -o flannel.1 -p tcp --syn -m conntrack --ctstate DNAT -j DROP"


def inject(context: Context) -> Victims:
    """Drop the first packets of translated connections, and each repetition of them."""
    _shared.add_rule(context.victim, RULE, "mangle")
    return hit(context.victim)


def heal(context: Context) -> None:
    """Take the rule away."""
    _shared.drop_rules([context.victim], context, "mangle")
