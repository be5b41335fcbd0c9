# SPDX-License-Identifier: Apache-2.0
"""A worker forwards no packets: net.ipv4.ip_forward is 0.

CNI's bridge plug-in turns it on with each new pod, so it is turned off again and again, as an agent
that enforces a host's settings would.
"""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared

KIND = "real"
SAYS = ("ip_forward",)
COMPANIONS = _shared.COMPANIONS | {
    "test_node_port_keeps_the_client_s_address": "a NodePort's packets are forwarded to its pod",
    "test_pod_reaches_itself_by_its_service": "a packet to a service is routed",
    "test_service_without_pods_refuses_at_once": "a packet to a service is routed",
    "test_service_on_the_same_node_answers": "a packet to a service is routed",
    "test_pod_reaches_its_neighbour": "what the bridge passes on is filtered as forwarded",
}
UNASKED = _shared.UNASKED

FILE = "/proc/sys/net/ipv4/ip_forward"


def inject(context: Context) -> Victims:
    """Turn it off five times a second."""
    _shared.background(context.victim, f"while :; do echo 0 >{FILE}; sleep 0.2; done")
    return hit(context.victim)


def heal(context: Context) -> None:
    """Leave it in peace, and on."""
    _shared.stop_background(context.victim)
    context.victim.run(f"echo 1 >{FILE}")
