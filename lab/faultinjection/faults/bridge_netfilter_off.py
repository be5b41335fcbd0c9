# SPDX-License-Identifier: Apache-2.0
"""A worker's bridge does not show packets to iptables: net.bridge.bridge-nf-call-iptables is 0."""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared

KIND = "real"
SAYS = ("bridge-nf-call-iptables",)
SAME = "a pod of the service, or a replica of DNS, is on the asking pod's node"
COMPANIONS = {
    "test_no_request_fails": SAME,
    "test_client_keeps_its_pod": SAME,
    "test_cluster_ip_answers_in_pods": SAME,
    "test_service_name_resolves": SAME,
    "test_api_name_resolves": SAME,
    "test_dns_answers_at_its_service": SAME,
    "test_headless_service_names_its_pods": SAME,
    "test_udp_leaves_a_backend_that_is_gone": SAME,
    "test_endpoints_follow_a_scale_up_and_down": SAME,
}
UNASKED = SAME

FILE = f"{_shared.PROC}/sys/net/bridge/bridge-nf-call-iptables"


def inject(context: Context) -> Victims:
    """Turn it off on one worker."""
    context.victim.run(f"{_shared.OPEN_PROC}echo 0 >{FILE}{_shared.CLOSE_PROC}")
    return hit(context.victim)


def heal(context: Context) -> None:
    """Turn it on."""
    context.victim.run(f"{_shared.OPEN_PROC}echo 1 >{FILE}{_shared.CLOSE_PROC}")
