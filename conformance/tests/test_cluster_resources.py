# SPDX-License-Identifier: Apache-2.0
"""Layer 5, cluster-wide resources: none of them blocks requests, nodes or namespaces."""

from typing import Any

import pytest

from conformance import cis_rules
from conformance.api.client import ApiStatusError
from conformance.codes import Code
from conformance.deploy.live import RunHandle
from conformance.facts.cluster_resources import IdleConnection, TerminatingNamespace, Webhook
from conformance.facts.expected import Expectation
from conformance.facts.model import Facts, NodeStatus, Taint
from conformance.faults import detects
from conformance.outcome import InconclusiveError, require, value_or_skip

pytestmark = pytest.mark.orchestration

WEBHOOKS = "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"


# ---- servers that the API depends on ----


@detects("webhook-without-endpoints")
def test_webhooks_have_endpoints(facts: Facts) -> None:
    """The service of every required admission webhook has ready endpoints."""
    silent = [
        hook
        for hook in value_or_skip(value_or_skip(facts.governance).webhooks)
        if hook.service and not hook.endpoints
    ]
    require(
        not silent,
        at="admission webhooks with failurePolicy Fail",
        expected="a service with ready endpoints for each",
        seen="\n".join(described(hook) for hook in silent),
        likely="its pods do not run, or it was removed without its configuration; meanwhile the "
        "API rejects the requests that the webhook matches",
        look=f"{WEBHOOKS}; kubectl get endpointslices -n "
        f"{silent[0].service.partition('/')[0] if silent else ''}",
        code=Code.WEBHOOK_WITHOUT_ENDPOINTS,
    )


def described(hook: Webhook) -> str:
    """Describe a webhook in one line."""
    return f"{hook.name} ({hook.kind}, for {hook.asked_about}): no endpoints of {hook.service}"


CREATED: dict[str, dict[str, Any]] = {
    # The default account is created by a controller, which this check does not cover.
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
def test_ordinary_objects_are_admitted(live: RunHandle) -> None:
    """Ordinary objects are admitted in a dry run: no webhook or policy rejects them."""
    rejected = []
    for kind, body in CREATED.items():
        metadata = {"name": "conformance-dry-run", "namespace": live.run.namespace}
        version = VERSIONS.get(kind, "v1")
        manifest = {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
        try:
            live.cluster.create(manifest, dryRun="All")
        except ApiStatusError as refusal:
            rejected.append(f"{kind}: {refusal}")
    require(
        not rejected,
        at=f"ordinary objects in namespace {live.run.namespace} (dry run)",
        expected="all admitted",
        seen="\n".join(rejected),
        likely="an admission webhook that does not answer, or a policy that forbids even these",
        look=WEBHOOKS,
        code=Code.OBJECT_NOT_ADMITTED,
    )


def test_aggregated_apis_are_available(facts: Facts) -> None:
    """Aggregated APIs (metrics and others) are available."""
    silent = [
        each for each in value_or_skip(value_or_skip(facts.governance).api_services) if each.problem
    ]
    require(
        not silent,
        at="APIServices",
        expected="all available",
        seen="\n".join(f"{each.name} ({each.service}): {each.problem}" for each in silent),
        likely="its pods do not run, or the API server cannot reach them; meanwhile no namespace "
        "can be deleted",
        look="kubectl get apiservices; kubectl get pods -A | grep -e metrics -e apiserver",
        code=Code.API_SERVICE_UNAVAILABLE,
    )


@detects("kubelet-port-closed")
def test_api_server_reaches_the_kubelet(facts: Facts, node: str) -> None:
    """The API server reaches the node's kubelet, as logs, exec and metrics require."""
    problems = value_or_skip(value_or_skip(facts.governance).kubelets)
    if node not in problems:
        why = facts.nodes[node].reasons.get("Ready", "") if node in facts.nodes else "no such node"
        raise InconclusiveError(f"{node}: the node is not Ready: {why} (see test_node_is_ready)")
    require(
        not problems[node],
        at=f"{node}: API server to its kubelet (/api/v1/nodes/{node}/proxy/healthz)",
        expected="an answer",
        seen=problems[node],
        likely=f"TCP 10250 from the API servers to {node} is blocked (security group, firewall), "
        "or the kubelet does not authorize the API server; the node is Ready nevertheless, as "
        "that needs only the opposite direction",
        look=f"on {node}: iptables -nvL INPUT | head; ss -ltnp | grep 10250; "
        "journalctl -u kubelet -n 50",
        code=Code.KUBELET_UNREACHABLE,
    )


@detects("idle-connections-dropped")
def test_idle_connection_still_works(idle: IdleConnection) -> None:
    """An idle connection to the API still works, or was closed so that the client notices it."""
    require(
        not idle.problem,
        at=f"a connection to the API, idle for {idle.seconds:.0f} s",
        expected="an answer, or a connection that was closed visibly",
        seen=idle.problem,
        likely="a load balancer in front of the API drops idle connections without closing them "
        "(Octavia's timeout_client_data), so that watches, logs and exec hang",
        look="openstack loadbalancer listener show -c timeout_client_data -c timeout_member_data "
        "LISTENER; increase both, or set TCP keepalive in the clients",
        code=Code.IDLE_CONNECTION_DROPPED,
    )


# ---- leftovers ----


@detects("leftover-taint")
def test_node_has_no_unexpected_taint(facts: Facts, expected: Expectation, node: str) -> None:
    """No node is cordoned or has a taint that the cluster description does not define."""
    status = facts.status(node)
    if not expected.nodes and not status.unschedulable and unexpected_taints(status, []):
        taints = ", ".join(text_of(taint) for taint in unexpected_taints(status, []))
        pytest.skip(f"{node}: without --expect it is unknown whether {taints} is intended")
    group = expected.nodes[node].group if node in expected.nodes else ""
    extra = unexpected_taints(status, expected.taints.get(group, []))
    seen = [f"tainted {text_of(taint)}" for taint in extra]
    seen += ["cordoned"] if status.unschedulable else []
    require(
        not seen,
        at=f"{node}: its taints",
        expected=", ".join(expected.taints.get(group, [])) or "none except those of its role",
        seen=", ".join(seen),
        likely="the node was drained or tainted and not restored, or the controller that removes "
        "the taint (of the cloud provider) does not run",
        look=f"kubectl uncordon {node}"
        if status.unschedulable
        else f"kubectl taint node {node} {extra[0].key if extra else 'KEY'}-",
        code=Code.NODE_CORDONED if status.unschedulable else Code.TAINT_UNEXPECTED,
    )


def unexpected_taints(status: NodeStatus, expected: list[str]) -> list[Taint]:
    """Return taints that exclude pods and are not expected or due to the node's role or state."""
    return [
        taint
        for taint in status.taints
        if taint.effect != "PreferNoSchedule"
        and not taint.key.startswith(cis_rules.STATE_TAINTS)
        and not (taint.key in cis_rules.CONTROL_TAINTS and status.is_control)
        and text_of(taint) not in expected
    ]


def text_of(taint: Taint) -> str:
    """Return KEY=VALUE:EFFECT."""
    return f"{taint.key}={taint.value}:{taint.effect}"


@detects("namespace-stuck")
def test_no_namespace_is_stuck(facts: Facts) -> None:
    """No namespace is Terminating for longer than its pods need to terminate."""
    stuck = [
        each for each in value_or_skip(value_or_skip(facts.governance).endings) if is_stuck(each)
    ]
    first = stuck[0].namespace if stuck else "NAMESPACE"
    require(
        not stuck,
        at="Terminating namespaces",
        expected=f"deleted within {cis_rules.STUCK_SECONDS:.0f} s, or with terminating pods",
        seen="\n".join(
            f"{each.namespace}, for {each.seconds:.0f} s: "
            f"{'; '.join(each.reasons.values()) or 'no reason reported'}"
            for each in stuck
        ),
        likely="a finalizer without a controller, an unavailable aggregated API, or no active "
        "kube-controller-manager",
        look=f"kubectl get namespace {first} -o yaml; kubectl get apiservices; "
        f"kubectl api-resources --verbs=list --namespaced -o name | "
        f"xargs -n1 kubectl get -n {first} --show-kind --ignore-not-found",
        code=Code.NAMESPACE_STUCK,
    )


TEMPORARY = {"NamespaceContentRemaining"}  # while pods terminate


def is_stuck(each: TerminatingNamespace) -> bool:
    """Return whether the namespace is not expected to be deleted without intervention."""
    is_blocked = bool(set(each.reasons) - TEMPORARY)
    return each.seconds > (cis_rules.STUCK_SECONDS if is_blocked else cis_rules.ENDLESS_SECONDS)


@detects("storage-class-missing")
def test_default_storage_class_exists(facts: Facts, expected: Expectation) -> None:
    """The expected StorageClass is the default, so that claims without a class get a volume."""
    want = expected.storage.get("default_class")
    if not want:
        pytest.skip("no --expect sets a default StorageClass")
    classes = value_or_skip(value_or_skip(facts.governance).storage_classes)
    defaults = [each.name for each in classes if each.default]
    require(
        defaults == [want],
        at="StorageClasses",
        expected=f"{want} as the only default",
        seen=", ".join(f"{each.name}{' (default)' * each.default}" for each in classes) or "none",
        likely="the CSI driver's manifests were not applied, or the annotation is-default-class is "
        "missing",
        look="kubectl get storageclasses; kubectl get pods -A | grep csi",
        code=Code.DEFAULT_STORAGE_CLASS_WRONG,
    )
