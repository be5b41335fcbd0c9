# SPDX-License-Identifier: Apache-2.0
"""kube-controller-manager is stopped on all control-plane nodes: nothing reconciles objects."""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("kube-controller-manager",)
NO_ENDPOINTS = "a new Service gets no endpoints without its controller"
COMPANIONS = {
    "test_units_are_active": "the unit is inactive on all control-plane nodes",
    "test_session_affinity_is_honoured": NO_ENDPOINTS,
    "test_cluster_ip_answers_*": NO_ENDPOINTS,
    "test_headless_service_names_its_pods": NO_ENDPOINTS,
    "test_service_answers_every_request": NO_ENDPOINTS,
    "test_node_port_*": NO_ENDPOINTS,
    "test_pod_reaches_itself_by_its_service": NO_ENDPOINTS,
    "test_service_on_*": NO_ENDPOINTS,
    "test_service_without_pods_refuses_at_once": "kube-proxy rejects only for known Services",
}
INCONCLUSIVE = "no controller creates or tracks the pods of workloads"


def inject(context: Context) -> Victims:
    """Stop it on all control-plane nodes; the fault affects the whole cluster."""
    context.run_on(context.control, "systemctl stop kube-controller-manager")
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Start it on all control-plane nodes."""
    context.run_on(context.control, "systemctl start kube-controller-manager")
