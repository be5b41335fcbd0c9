# SPDX-License-Identifier: Apache-2.0
"""kube-controller-manager is stopped on every server: what was asked for is never made."""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims

KIND = "real"
SAYS = ("kube-controller-manager",)
NO_ENDPOINTS = "a service made now has no endpoints, which a controller would write"
COMPANIONS = {
    "test_units_are_active": "the unit is not active on any server, as it says",
    "test_client_keeps_its_pod": NO_ENDPOINTS,
    "test_cluster_ip_answers_*": NO_ENDPOINTS,
    "test_headless_service_names_its_pods": NO_ENDPOINTS,
    "test_no_request_fails": NO_ENDPOINTS,
    "test_node_port_*": NO_ENDPOINTS,
    "test_pod_reaches_itself_by_its_service": NO_ENDPOINTS,
    "test_service_on_*": NO_ENDPOINTS,
    "test_service_without_pods_refuses_at_once": "kube-proxy refuses for what it knows has none",
}
UNASKED = "nobody makes the pods of workloads, or follows them"


def inject(context: Context) -> Victims:
    """Stop all of them; the fault is the whole cluster's."""
    context.on(context.control, "systemctl stop kube-controller-manager")
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Start all of them."""
    context.on(context.control, "systemctl start kube-controller-manager")
