# SPDX-License-Identifier: Apache-2.0
"""Checks of cluster-wide resources: each alteration fails exactly its checks."""

import pytest

from conformance.codes import Code
from tests.conformance import healthy
from tests.conformance.alteration import Case, Cases, Json, Replay

CASES = Cases(healthy.HA_NODES)
breaks = CASES.breaks
FIRST, SECOND, THIRD, PLAIN, DOCKER = healthy.HA_NODES


def add_binding(facts: Json, **changes: object) -> None:
    """Add a role binding."""
    usual = {
        "name": "workaround", "namespace": "", "role": "view", "subject": "system:authenticated",
        "rights": [{"verbs": ["get", "list"], "objects": ["pods"]}],
    }  # fmt: skip
    facts["governance"]["bindings"].append(usual | changes)


@breaks(
    {"test_webhooks_have_endpoints": Code.WEBHOOK_WITHOUT_ENDPOINTS},
    values=("policy: pods.policy.example", "policy/webhook"),
)
def _webhook_without_endpoints(facts: Json) -> None:
    facts["governance"]["webhooks"][0]["endpoints"] = 0


@breaks(
    {"test_aggregated_apis_are_available": Code.API_SERVICE_UNAVAILABLE},
    values=("v1beta1.metrics.k8s.io", "MissingEndpoints"),
)
def _aggregated_api_is_unavailable(facts: Json) -> None:
    facts["governance"]["api_services"][0]["problem"] = "MissingEndpoints: none"


@breaks(
    {f"test_api_server_reaches_the_kubelet[{PLAIN}]": Code.KUBELET_UNREACHABLE},
    at=PLAIN,
    values=("192.0.2.20:10250",),
)
def _kubelets_port_is_closed(facts: Json) -> None:
    facts["governance"]["kubelets"][PLAIN] = "503 dial tcp 192.0.2.20:10250: i/o timeout"


@breaks({"test_idle_connection_still_works": Code.IDLE_CONNECTION_DROPPED}, at="15 s")
def _idle_connection_is_dropped(facts: Json) -> None:
    facts["idle"]["problem"] = "ReadTimeoutError: Read timed out"


@breaks(
    {f"test_node_has_no_unexpected_taint[{PLAIN}]": Code.TAINT_UNEXPECTED},
    at=PLAIN,
    values=("forgotten=:NoSchedule",),
)
def _taint_is_left_over(facts: Json) -> None:
    taint = {"key": "forgotten", "effect": "NoSchedule", "value": ""}
    facts["nodes"][PLAIN]["taints"].append(taint)


@breaks({f"test_node_has_no_unexpected_taint[{DOCKER}]": Code.NODE_CORDONED}, at=DOCKER)
def _node_is_cordoned(facts: Json) -> None:
    facts["nodes"][DOCKER]["unschedulable"] = True
    facts["nodes"][DOCKER]["taints"] = [
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "value": ""},
        {"key": "dedicated", "effect": "NoSchedule", "value": "builds"},
    ]


@breaks(
    {"test_no_namespace_is_stuck": Code.NAMESPACE_STUCK},
    values=("old, for 90 s", "Some content has finalizers remaining"),
)
def _namespace_is_stuck(facts: Json) -> None:
    reasons = {"NamespaceFinalizersRemaining": "Some content has finalizers remaining"}
    facts["governance"]["endings"].append({"namespace": "old", "seconds": 90.0, "reasons": reasons})


@breaks({"test_no_namespace_is_stuck": Code.NAMESPACE_STUCK}, values=("busy, for 700 s",))
def _namespace_is_never_deleted(facts: Json) -> None:
    facts["governance"]["endings"][0]["seconds"] = 700.0


STORAGE_CLASS = {"test_default_storage_class_exists": Code.DEFAULT_STORAGE_CLASS_WRONG}


@breaks(STORAGE_CLASS, values=("cinder",))
def _no_class_is_the_default(facts: Json) -> None:
    facts["governance"]["storage_classes"][0]["default"] = False


@breaks(STORAGE_CLASS, values=("cinder (default), fast (default)",))
def _two_classes_are_the_default(facts: Json) -> None:
    facts["governance"]["storage_classes"][1]["default"] = True


@breaks(
    {"test_anonymous_clients_have_no_rights": Code.RIGHTS_TOO_WIDE},
    at="system:anonymous",
    values=("workaround", "get/list pods"),
)
def _anonymous_clients_may_read(facts: Json) -> None:
    add_binding(facts, subject="system:anonymous")


ALL_CLIENTS = {"test_all_clients_have_limited_rights": Code.RIGHTS_TOO_WIDE}


@breaks(ALL_CLIENTS, values=("workaround", "kube-system", "get secrets"))
def _all_clients_read_secrets(facts: Json) -> None:
    rights = [{"verbs": ["get"], "objects": ["secrets"]}]
    add_binding(facts, namespace="kube-system", rights=rights)


@breaks(ALL_CLIENTS, values=("system:serviceaccounts", "* *"))
def _all_accounts_are_administrators(facts: Json) -> None:
    rights = [{"verbs": ["*"], "objects": ["*"]}]
    add_binding(facts, subject="system:serviceaccounts", role="cluster-admin", rights=rights)


@breaks(
    {"test_leader_is_alive[kube-scheduler]": Code.LEADER_NOT_ACTIVE},
    at="lease kube-scheduler",
    values=("14 s",),
)
def _lease_is_recent_and_not_renewed(facts: Json) -> None:
    facts["leaders"]["kube-scheduler"] |= {"age": 14.0, "moved": False}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_alteration_fails_its_checks(replay: Replay, case: Case) -> None:
    """Exactly the declared checks fail, with their codes and places."""
    CASES.verify(replay, case)


def test_all_clients_may_read_unprotected_objects(replay: Replay) -> None:
    """Permission for all clients to list pods is not excessive."""
    facts = healthy.facts(healthy.HA_NODES)
    add_binding(facts)
    assert not replay(facts, "-k", "rights").failed


def test_expected_taints_are_allowed(replay: Replay) -> None:
    """Taints from the cluster description do not fail."""
    facts = healthy.facts(healthy.HA_NODES)
    facts["nodes"][DOCKER]["taints"] = [
        {"key": "dedicated", "effect": "NoSchedule", "value": "builds"}
    ]
    assert not replay(facts, "-k", "no_unexpected_taint").failed


def test_taints_without_an_expectation(replay: Replay) -> None:
    """Without an expectation a user's taint is skipped; a cordon fails."""
    facts = healthy.facts(healthy.HA_NODES)
    facts["expected"] = None
    facts["nodes"][PLAIN]["taints"] = [
        {"key": "dedicated", "effect": "NoSchedule", "value": "builds"}
    ]
    facts["nodes"][DOCKER]["unschedulable"] = True
    run = replay(facts, "-k", "no_unexpected_taint")
    assert list(run.failed) == [f"test_node_has_no_unexpected_taint[{DOCKER}]"]
    assert f"test_node_has_no_unexpected_taint[{PLAIN}]" in run.skipped


def test_silent_node_is_inconclusive(replay: Replay) -> None:
    """The kubelet of a node that is not Ready is inconclusive, not a closed port."""
    facts = healthy.facts(healthy.HA_NODES)
    del facts["governance"]["kubelets"][PLAIN]
    run = replay(facts, "-k", "reaches_the_kubelet")
    assert not run.failed
    assert list(run.errors) == [f"test_api_server_reaches_the_kubelet[{PLAIN}]"]


def test_unexpected_storage_is_skipped(replay: Replay) -> None:
    """A cluster without storage passes if no StorageClass is expected."""
    facts = healthy.facts(healthy.HA_NODES)
    del facts["expected"]["storage"]
    facts["governance"]["storage_classes"] = []
    run = replay(facts, "-k", "storage_class")
    assert list(run.skipped) == ["test_default_storage_class_exists"]
