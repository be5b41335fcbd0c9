# SPDX-License-Identifier: Apache-2.0
"""The judges of how a cluster is governed: each fault turns its own check red, and no other."""

import pytest

from tests.conformance import healthy
from tests.conformance.alteration import Case, Cases, Json, Replay

CASES = Cases(healthy.HA_NODES)
breaks = CASES.breaks
FIRST, SECOND, THIRD, PLAIN, DOCKER = healthy.HA_NODES


def binding(facts: Json, **changes: object) -> None:
    """One more role is bound to somebody."""
    usual = {
        "name": "in-haste", "namespace": "", "role": "view", "subject": "system:authenticated",
        "rights": [{"verbs": ["get", "list"], "objects": ["pods"]}],
    }  # fmt: skip
    facts["governance"]["bindings"].append(usual | changes)


@breaks("test_webhooks_can_be_asked", says=("policy: pods.policy.example", "policy/webhook"))
def _webhook_has_nobody(facts: Json) -> None:
    facts["governance"]["webhooks"][0]["endpoints"] = 0


@breaks("test_every_part_of_the_api_answers", says=("v1beta1.metrics.k8s.io", "MissingEndpoints"))
def _part_of_the_api_is_away(facts: Json) -> None:
    facts["governance"]["api_services"][0]["problem"] = "MissingEndpoints: none"


@breaks(f"test_api_server_reaches_the_kubelet[{PLAIN}]", says=(PLAIN, "10250"))
def _kubelets_port_is_closed(facts: Json) -> None:
    facts["governance"]["kubelets"][PLAIN] = "503 dial tcp 192.0.2.20:10250: i/o timeout"


@breaks("test_idle_connection_lives", says=("after 15 s", "load balancer"))
def _idle_connection_is_dropped(facts: Json) -> None:
    facts["idle"]["problem"] = "ReadTimeoutError: Read timed out"


@breaks(f"test_no_taint_is_left_over[{PLAIN}]", says=(PLAIN, "forgotten=:NoSchedule"))
def _taint_is_forgotten(facts: Json) -> None:
    taint = {"key": "forgotten", "effect": "NoSchedule", "value": ""}
    facts["nodes"][PLAIN]["taints"].append(taint)


@breaks(f"test_no_taint_is_left_over[{DOCKER}]", says=(DOCKER, "cordoned", "uncordon"))
def _node_is_cordoned(facts: Json) -> None:
    facts["nodes"][DOCKER]["unschedulable"] = True
    facts["nodes"][DOCKER]["taints"] = [
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "value": ""},
        {"key": "dedicated", "effect": "NoSchedule", "value": "builds"},
    ]


@breaks("test_no_namespace_is_stuck", says=("old, for 90 s", "finalizers remain"))
def _namespace_is_stuck(facts: Json) -> None:
    reasons = {"NamespaceFinalizersRemaining": "Some content has finalizers remaining"}
    facts["governance"]["endings"].append({"namespace": "old", "seconds": 90.0, "reasons": reasons})


@breaks("test_no_namespace_is_stuck", says=("busy, for 700 s",))
def _namespace_never_ends(facts: Json) -> None:
    facts["governance"]["endings"][0]["seconds"] = 700.0


@breaks("test_default_storage_class_is_there", says=("cinder, and it alone", "CSI"))
def _no_class_is_the_default(facts: Json) -> None:
    facts["governance"]["storage_classes"][0]["default"] = False


@breaks("test_default_storage_class_is_there", says=("cinder (default), fast (default)",))
def _two_classes_are_the_default(facts: Json) -> None:
    facts["governance"]["storage_classes"][1]["default"] = True


@breaks("test_strangers_have_no_rights", says=("in-haste", "system:anonymous", "get/list pods"))
def _strangers_may_look(facts: Json) -> None:
    binding(facts, subject="system:anonymous")


@breaks("test_everybody_has_no_great_rights", says=("in-haste", "kube-system", "get secrets"))
def _everybody_reads_secrets(facts: Json) -> None:
    rights = [{"verbs": ["get"], "objects": ["secrets"]}]
    binding(facts, namespace="kube-system", rights=rights)


@breaks("test_everybody_has_no_great_rights", says=("system:serviceaccounts", "* *"))
def _every_account_is_the_administrator(facts: Json) -> None:
    rights = [{"verbs": ["*"], "objects": ["*"]}]
    binding(facts, subject="system:serviceaccounts", role="cluster-admin", rights=rights)


@breaks("test_leader_is_alive[kube-scheduler]", says=("not while it was looked at",))
def _lease_is_young_and_does_not_move(facts: Json) -> None:
    facts["leaders"]["kube-scheduler"] |= {"age": 14.0, "moved": False}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_fault_turns_only_its_own_checks_red(replay: Replay, case: Case) -> None:
    """Exactly the declared checks fail, and say where, what, why and what next."""
    CASES.judge(replay, case)


def test_what_is_open_may_be_read_by_all(replay: Replay) -> None:
    """That everybody may list pods is not closed, but no great right either."""
    facts = healthy.facts(healthy.HA_NODES)
    binding(facts)
    assert not replay(facts, "-k", "rights").failed


def test_ordered_taints_are_no_leftover(replay: Replay) -> None:
    """The taints that the cluster's description has are meant."""
    facts = healthy.facts(healthy.HA_NODES)
    facts["nodes"][DOCKER]["taints"] = [
        {"key": "dedicated", "effect": "NoSchedule", "value": "builds"}
    ]
    assert not replay(facts, "-k", "taint_is_left").failed


def test_nobody_says_which_taints_are_meant(replay: Replay) -> None:
    """Without an expectation a user's taint is no failure; a cordon is."""
    facts = healthy.facts(healthy.HA_NODES)
    facts["expected"] = None
    facts["nodes"][PLAIN]["taints"] = [
        {"key": "dedicated", "effect": "NoSchedule", "value": "builds"}
    ]
    facts["nodes"][DOCKER]["unschedulable"] = True
    verdicts = replay(facts, "-k", "taint_is_left")
    assert list(verdicts.failed) == [f"test_no_taint_is_left_over[{DOCKER}]"]
    assert f"test_no_taint_is_left_over[{PLAIN}]" in verdicts.skipped


def test_silent_node_is_no_closed_port(replay: Replay) -> None:
    """A node that is not Ready is not asked, which is an error that names it."""
    facts = healthy.facts(healthy.HA_NODES)
    del facts["governance"]["kubelets"][PLAIN]
    verdicts = replay(facts, "-k", "reaches_the_kubelet")
    assert not verdicts.failed
    assert list(verdicts.errors) == [f"test_api_server_reaches_the_kubelet[{PLAIN}]"]


def test_storage_that_nobody_promised_is_skipped(replay: Replay) -> None:
    """A cluster without storage is sound, if none was expected."""
    facts = healthy.facts(healthy.HA_NODES)
    del facts["expected"]["storage"]
    facts["governance"]["storage_classes"] = []
    verdicts = replay(facts, "-k", "storage_class")
    assert list(verdicts.skipped) == ["test_default_storage_class_is_there"]
