# SPDX-License-Identifier: Apache-2.0
"""Layer 5, how the cluster is governed: nothing in the API stands in the way of what comes next."""

from typing import Any

import pytest

from conformance import cis_rules
from conformance.api.client import ApiStatusError
from conformance.deploy.live import RunHandle
from conformance.facts.cluster_resources import IdleConnection, TerminatingNamespace, Webhook
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts, NodeStatus, Taint
from conformance.faults import detects
from conformance.outcome import InconclusiveError, require, value_or_skip

pytestmark = pytest.mark.orchestration

WEBHOOKS = "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"


# ---- who must be asked ----


@detects("webhook-without-endpoints")
def test_webhooks_can_be_asked(facts: Facts) -> None:
    """Every admission webhook without whose answer nothing is done has somebody to answer."""
    silent = [
        hook
        for hook in value_or_skip(value_or_skip(facts.governance).webhooks)
        if hook.service and not hook.endpoints
    ]
    require(
        not silent,
        at="admission webhooks with failurePolicy Fail",
        expected="a service with ready endpoints for each",
        seen="\n".join(told_of(hook) for hook in silent),
        likely="its pods do not run, or it was removed without its configuration; until then the "
        "API refuses what it would be asked about",
        look=f"{WEBHOOKS}; kubectl get endpointslices -n "
        f"{silent[0].service.partition('/')[0] if silent else ''}",
    )


def told_of(hook: Webhook) -> str:
    """A webhook in a line."""
    return (
        f"{hook.name} ({hook.kind}, for {hook.asked_about}): service {hook.service} leads to nobody"
    )


CREATED: dict[str, dict[str, Any]] = {
    # The namespace's own account is made by a controller, and is not what is asked about.
    "Pod": {
        "spec": {"serviceAccountName": "probe", "containers": [{"name": "x", "image": "x"}]},
    },
    "ConfigMap": {},
    "Secret": {},
    "Service": {"spec": {"ports": [{"port": 80}]}},
    "Deployment": {
        "spec": {
            "selector": {"matchLabels": {"x": "x"}},
            "template": {
                "metadata": {"labels": {"x": "x"}},
                "spec": {"containers": [{"name": "x", "image": "x"}]},
            },
        }
    },
}
VERSIONS = {"Deployment": "apps/v1"}


@detects("webhook-without-endpoints")
def test_creating_is_admitted(live: RunHandle) -> None:
    """Ordinary objects are admitted: tried, not made; no webhook or policy is in the way."""
    refused = []
    for kind, body in CREATED.items():
        metadata = {"name": "conformance-tried", "namespace": live.run.namespace}
        version = VERSIONS.get(kind, "v1")
        manifest = {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
        try:
            live.cluster.create(manifest, dryRun="All")
        except ApiStatusError as refusal:
            refused.append(f"{kind}: {refusal}")
    require(
        not refused,
        at=f"ordinary objects in namespace {live.run.namespace}, tried (dry run)",
        expected="all are admitted",
        seen="\n".join(refused),
        likely="an admission webhook that cannot be asked, or a policy that forbids even these",
        look=WEBHOOKS,
    )


def test_every_part_of_the_api_answers(facts: Facts) -> None:
    """Parts of the API that other servers answer (metrics and the like) are available."""
    silent = [
        each for each in value_or_skip(value_or_skip(facts.governance).api_services) if each.problem
    ]
    require(
        not silent,
        at="APIServices",
        expected="all available",
        seen="\n".join(f"{each.name} ({each.service}): {each.problem}" for each in silent),
        likely="the pods behind it do not run, or the API server does not reach them; meanwhile no "
        "namespace can be deleted",
        look="kubectl get apiservices; kubectl get pods -A | grep -e metrics -e apiserver",
    )


@detects("kubelet-port-closed")
def test_api_server_reaches_the_kubelet(facts: Facts, node: str) -> None:
    """The API server gets an answer of the node's kubelet: logs, exec and metrics go that way."""
    told = value_or_skip(value_or_skip(facts.governance).kubelets)
    if node not in told:
        why = facts.nodes[node].reasons.get("Ready", "") if node in facts.nodes else "not there"
        raise InconclusiveError(f"{node}: the node is not Ready: {why} (see test_node_is_ready)")
    require(
        not told[node],
        at=f"{node}: the API server asks its kubelet (/api/v1/nodes/{node}/proxy/healthz)",
        expected="an answer",
        seen=told[node],
        likely=f"TCP 10250 from the API servers to {node} is closed (a security group, a "
        "firewall), or the API server may not ask the kubelet; the node is Ready all the same, "
        "for that is the other way round",
        look=f"on {node}: iptables -nvL INPUT | head; ss -ltnp | grep 10250; "
        "journalctl -u kubelet -n 50",
    )


@detects("idle-connections-dropped")
def test_idle_connection_lives(idle: IdleConnection) -> None:
    """A connection to the API that nobody used for a while still answers, or was closed openly."""
    require(
        not idle.problem,
        at=f"a connection to the API, after {idle.seconds:.0f} s without a word",
        expected="an answer on it, or that it is closed so that the client sees it",
        seen=idle.problem,
        likely="a load balancer in front of the API drops idle connections and tells nobody "
        "(Octavia's timeout_client_data): watches, logs and exec hang",
        look="openstack loadbalancer listener show -c timeout_client_data -c timeout_member_data "
        "LISTENER; raise both, or set TCP keepalive in the clients",
    )


# ---- what somebody forgot ----


@detects("leftover-taint")
def test_no_taint_is_left_over(facts: Facts, expected: Expectation, node: str) -> None:
    """No node is cordoned, and none bears a taint that nobody ordered."""
    status = facts.status(node)
    if not expected.nodes and not status.unschedulable and foreign(status, []):
        taints = ", ".join(written(taint) for taint in foreign(status, []))
        pytest.skip(f"{node}: no --expect says whether {taints} is meant")
    group = expected.nodes[node].group if node in expected.nodes else ""
    extra = foreign(status, expected.taints.get(group, []))
    seen = [f"tainted {written(taint)}" for taint in extra]
    seen += ["cordoned"] if status.unschedulable else []
    require(
        not seen,
        at=f"{node}: its taints",
        expected=", ".join(expected.taints.get(group, [])) or "none but those of its role",
        seen=", ".join(seen),
        likely="somebody drained or tainted the node, and forgot it; or what would have removed "
        "the taint (a cloud's controller) does not run",
        look=f"kubectl uncordon {node}"
        if status.unschedulable
        else f"kubectl taint node {node} {extra[0].key if extra else 'KEY'}-",
    )


def foreign(status: NodeStatus, ordered: list[str]) -> list[Taint]:
    """Taints that keep pods away, but those of the node's role or state, and those ordered."""
    return [
        taint
        for taint in status.taints
        if taint.effect != "PreferNoSchedule"
        and not taint.key.startswith(cis_rules.STATE_TAINTS)
        and not (taint.key in cis_rules.CONTROL_TAINTS and status.is_control)
        and written(taint) not in ordered
    ]


def written(taint: Taint) -> str:
    """KEY=VALUE:EFFECT."""
    return f"{taint.key}={taint.value}:{taint.effect}"


@detects("namespace-stuck")
def test_no_namespace_is_stuck(facts: Facts) -> None:
    """No namespace has been ending for longer than it takes to end its pods."""
    stuck = [
        each for each in value_or_skip(value_or_skip(facts.governance).endings) if is_stuck(each)
    ]
    first = stuck[0].namespace if stuck else "NAMESPACE"
    require(
        not stuck,
        at="namespaces that are being deleted",
        expected=f"gone within {cis_rules.STUCK_SECONDS:.0f} s, or busy with ending pods",
        seen="\n".join(
            f"{each.namespace}, for {each.seconds:.0f} s: "
            f"{'; '.join(each.reasons.values()) or 'nobody says why'}"
            for each in stuck
        ),
        likely="a finalizer whose owner is gone, a part of the API that does not answer, or no "
        "kube-controller-manager",
        look=f"kubectl get namespace {first} -o yaml; kubectl get apiservices; "
        f"kubectl api-resources --verbs=list --namespaced -o name | "
        f"xargs -n1 kubectl get -n {first} --show-kind --ignore-not-found",
    )


PODS_END = {"NamespaceContentRemaining"}  # by itself: what is deleted takes its time


def is_stuck(each: TerminatingNamespace) -> bool:
    """Will it not end by itself?"""
    hindered = bool(set(each.reasons) - PODS_END)
    return each.seconds > (cis_rules.STUCK_SECONDS if hindered else cis_rules.ENDLESS_SECONDS)


@detects("storage-class-missing")
def test_default_storage_class_is_there(facts: Facts, expected: Expectation) -> None:
    """Who asks for a volume and names no class gets one, where that was promised."""
    want = expected.storage.get("default_class")
    if not want:
        pytest.skip("no --expect names a default StorageClass")
    classes = value_or_skip(value_or_skip(facts.governance).storage_classes)
    defaults = [each.name for each in classes if each.default]
    require(
        defaults == [want],
        at="StorageClasses",
        expected=f"{want}, and it alone, is the default",
        seen=", ".join(f"{each.name}{' (default)' * each.default}" for each in classes) or "none",
        likely="the CSI driver's manifests were not applied, or the annotation is-default-class is "
        "missing",
        look="kubectl get storageclasses; kubectl get pods -A | grep csi",
    )
