# SPDX-License-Identifier: Apache-2.0
"""A worker forwards no packets: net.ipv4.ip_forward is 0.

The CNI plug-in bridge sets it to 1 for each new pod, so it is reset repeatedly, as a configuration
management agent would do.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared

KIND = "real"
MESSAGE_CONTAINS = ("ip_forward",)
COMPANIONS = _shared.COMPANIONS | {
    "test_node_port_preserves_the_client_address": "packets to a NodePort are forwarded to its pod",
    "test_pod_reaches_itself_by_its_service": "a packet to a service is routed",
    "test_service_without_pods_refuses_at_once": "a packet to a service is routed",
    "test_service_on_the_same_node_answers": "a packet to a service is routed",
    "test_pod_reaches_its_neighbour": "bridged packets are filtered as forwarded ones",
}
INCONCLUSIVE = _shared.INCONCLUSIVE

FILE = "/proc/sys/net/ipv4/ip_forward"


def inject(context: Context) -> Victims:
    """Set it to 0 five times a second."""
    _shared.background(context.victim, f"while :; do echo 0 >{FILE}; sleep 0.2; done")
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Stop this, and set it to 1."""
    _shared.stop_background(context.victim)
    context.victim.run(f"echo 1 >{FILE}")
