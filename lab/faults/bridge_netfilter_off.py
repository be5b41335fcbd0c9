# SPDX-License-Identifier: Apache-2.0
"""A worker's bridge does not show packets to iptables: net.bridge.bridge-nf-call-iptables is 0."""

from lab.faults import _ways
from lab.trial.scene import Scene, Victims, hit

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

FILE = f"{_ways.PROC}/sys/net/bridge/bridge-nf-call-iptables"


def inject(scene: Scene) -> Victims:
    """Turn it off on one worker."""
    scene.victim.run(f"{_ways.OPEN_PROC}echo 0 >{FILE}{_ways.CLOSE_PROC}")
    return hit(scene.victim)


def heal(scene: Scene) -> None:
    """Turn it on."""
    scene.victim.run(f"{_ways.OPEN_PROC}echo 1 >{FILE}{_ways.CLOSE_PROC}")
