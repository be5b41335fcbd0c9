# SPDX-License-Identifier: Apache-2.0
"""A worker's bridge bypasses iptables: net.bridge.bridge-nf-call-iptables is 0."""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared

KIND = "real"
MESSAGE_CONTAINS = ("bridge-nf-call-iptables",)
SAME_NODE = "a backend of the service or a DNS replica is on the node of the client pod"
COMPANIONS = {
    "test_service_answers_every_request": SAME_NODE,
    "test_session_affinity_is_honoured": SAME_NODE,
    "test_cluster_ip_answers_in_pods": SAME_NODE,
    "test_service_name_resolves": SAME_NODE,
    "test_api_name_resolves": SAME_NODE,
    "test_dns_answers_at_its_service": SAME_NODE,
    "test_headless_service_names_its_pods": SAME_NODE,
    "test_udp_clients_switch_to_the_new_backend": SAME_NODE,
    "test_endpoints_follow_a_scale_up_and_down": SAME_NODE,
}
INCONCLUSIVE = SAME_NODE

FILE = f"{_shared.PROC}/sys/net/bridge/bridge-nf-call-iptables"


def inject(context: Context) -> Victims:
    """Set it to 0 on one worker."""
    context.victim.run(f"{_shared.OPEN_PROC}echo 0 >{FILE}{_shared.CLOSE_PROC}")
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Set it to 1."""
    context.victim.run(f"{_shared.OPEN_PROC}echo 1 >{FILE}{_shared.CLOSE_PROC}")
