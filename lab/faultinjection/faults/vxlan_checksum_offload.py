# SPDX-License-Identifier: Apache-2.0
"""A worker's pods lose the first packets of connections to ClusterIPs with remote backends.

The real cause is a network card that computes wrong checksums for translated packets in VXLAN: all
attempts are lost for 63 s. A veth computes no checksums, so the same packets are dropped before
flannel.1.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared

KIND = "effect"
MESSAGE_CONTAINS = ("checksum",)
COMPANIONS = {
    "test_cluster_ip_answers_*": _shared.BEHIND,
    "test_node_port_answers": _shared.BEHIND,
    "test_service_answers_every_request": _shared.BEHIND,
    "test_session_affinity_is_honoured": _shared.BEHIND,
    "test_endpoints_follow_a_scale_up_and_down": _shared.BEHIND,
}
INCONCLUSIVE = "TCP requests from pods on that node to a ClusterIP get no response"

RULE = "POSTROUTING -o flannel.1 -p tcp --syn -m conntrack --ctstate DNAT -j DROP"


def inject(context: Context) -> Victims:
    """Drop the first packets of translated connections, and their retransmissions."""
    _shared.add_rule(context.victim, RULE, "mangle")
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Delete the rule."""
    _shared.drop_rules([context.victim], context, "mangle")
