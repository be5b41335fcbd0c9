# SPDX-License-Identifier: Apache-2.0
"""Readers of cluster-scoped API objects: webhooks, APIServices, bindings, namespaces, Leases."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from conformance import cis_rules
from conformance.api.client import ApiStatusError, Cluster, or_unavailable
from conformance.api.core_resources import leaders
from conformance.facts.cluster_resources import (
    ApiService,
    Binding,
    ClusterResources,
    Right,
    StorageClass,
    TerminatingNamespace,
    Webhook,
)
from conformance.facts.model import Leader, NodeStatus
from conformance.outcome import InconclusiveError

Json = dict[str, Any]

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
LONGEST_TERM = 20.0  # seconds in which a healthy leader has renewed its Lease
SLACK = 3.0  # seconds of tolerance for clocks and for times in whole seconds


def read(cluster: Cluster, nodes: list[NodeStatus]) -> ClusterResources:
    """Return all of them; a part that the API does not return is ``Unavailable``."""
    parts: dict[str, Callable[[Cluster], Any]] = {
        "webhooks": webhooks,
        "api_services": api_services,
        "bindings": bindings,
        "storage_classes": storage_classes,
        "endings": endings,
        "kubelets": lambda cluster: kubelets(cluster, nodes),
    }
    with ThreadPoolExecutor(len(parts)) as pool:
        results = pool.map(lambda read: or_unavailable(lambda: read(cluster)), parts.values())
    return ClusterResources(**dict(zip(parts, results, strict=True)))


# ---- leader election ----


def watched_leaders(cluster: Cluster) -> dict[str, Leader]:
    """Return the leaders; observe each Lease until it is renewed or expires."""
    begun, first = time.monotonic(), leaders(cluster)
    while True:
        time.sleep(1.0)
        now = leaders(cluster)
        moved = {name for name in now if name in first and now[name].renewed != first[name].renewed}
        waiting = [each for name, each in now.items() if name not in moved and is_valid(each)]
        if not waiting or time.monotonic() - begun > LONGEST_TERM:
            return {
                name: Leader(
                    holder=each.holder,
                    age=each.age,
                    term=each.term,
                    renewed=each.renewed,
                    moved=name in moved,
                )
                for name, each in now.items()
            }


def is_valid(leader: Leader) -> bool:
    """Return whether the Lease was renewed within its term."""
    return leader.age <= leader.term + SLACK


# ---- extensions of the API ----


def webhooks(cluster: Cluster) -> list[Webhook]:
    """Return the admission webhooks with ``failurePolicy: Fail``."""
    found = [
        webhook(cluster, kind, configuration["metadata"]["name"], hook)
        for kind in ("validating", "mutating")
        for configuration in cluster.items(f"{ADMISSION}/{kind}webhookconfigurations")
        for hook in configuration.get("webhooks") or []
        if hook.get("failurePolicy", "Fail") == "Fail"
    ]
    return sorted(found, key=lambda hook: (hook.kind, hook.name))


def webhook(cluster: Cluster, kind: str, configuration: str, hook: Json) -> Webhook:
    """Return a webhook with the number of its ready endpoints."""
    service = hook["clientConfig"].get("service")
    return Webhook(
        name=f"{configuration}: {hook['name']}",
        kind=kind,
        service=f"{service['namespace']}/{service['name']}" if service else "",
        endpoints=ready_endpoints(cluster, service) if service else 0,
        asked_about=", ".join(
            f"{' '.join(rule.get('operations', []))} {' '.join(rule.get('resources', []))}"
            for rule in hook.get("rules") or []
        ),
    )


def ready_endpoints(cluster: Cluster, service: Json) -> int:
    """Return the number of ready endpoints of a Service."""
    slices = cluster.items(
        f"/apis/discovery.k8s.io/v1/namespaces/{service['namespace']}/endpointslices",
        labelSelector=f"kubernetes.io/service-name={service['name']}",
    )
    endpoints = [endpoint for each in slices for endpoint in each.get("endpoints") or []]
    return sum(endpoint.get("conditions", {}).get("ready") is not False for endpoint in endpoints)


def api_services(cluster: Cluster) -> list[ApiService]:
    """Return the APIServices of extension API servers."""
    return sorted(
        (
            api_service(each)
            for each in cluster.items("/apis/apiregistration.k8s.io/v1/apiservices")
            if each["spec"].get("service")
        ),
        key=lambda each: each.name,
    )


def api_service(plain: Json) -> ApiService:
    """Return the facts of an APIService."""
    conditions = plain.get("status", {}).get("conditions", [])
    available = next((c for c in conditions if c["type"] == "Available"), {"status": "Unknown"})
    message = f"{available.get('reason', '')}: {available.get('message', '')}".strip(": ")
    service = plain["spec"]["service"]
    return ApiService(
        name=plain["metadata"]["name"],
        service=f"{service['namespace']}/{service['name']}",
        problem=""
        if available["status"] == "True"
        else message or "the condition Available is not set",
    )


# ---- RBAC ----


def bindings(cluster: Cluster) -> list[Binding]:
    """Return bindings of anonymous clients, and of groups that contain every account."""
    listed = [
        each
        for kind in ("clusterrolebindings", "rolebindings")
        for each in cluster.items(f"{RBAC}/{kind}")
    ]
    wide = [
        (each, subject["name"])
        for each in listed
        for subject in each.get("subjects") or []
        if subject["name"] in cis_rules.ALL_CLIENTS and subject["kind"] in ("User", "Group")
    ]
    return sorted(
        (
            Binding(
                name=each["metadata"]["name"],
                namespace=each["metadata"].get("namespace", ""),
                role=each["roleRef"]["name"],
                subject=subject,
                rights=rights(cluster, each),
            )
            for each, subject in wide
        ),
        key=lambda binding: (binding.subject, binding.namespace, binding.name),
    )


def rights(cluster: Cluster, binding: Json) -> list[Right]:
    """Return the rules of the bound role; none if it does not exist."""
    role, namespace = binding["roleRef"], binding["metadata"].get("namespace", "")
    path = f"{RBAC}/clusterroles/{role['name']}"
    if role["kind"] == "Role":
        path = f"{RBAC}/namespaces/{namespace}/roles/{role['name']}"
    try:
        return list(allowed(cluster.get(path).get("rules") or []))
    except ApiStatusError as refusal:
        if refusal.code != 404:
            raise
        return []


def allowed(role_rules: Iterable[Json]) -> Iterator[Right]:
    """Yield the rules, without reviews of the client's own access."""
    for rule in role_rules:
        objects = rule.get("resources") or rule.get("nonResourceURLs") or []
        if not set(objects) <= cis_rules.SELF_REVIEWS:
            yield Right(list(rule.get("verbs") or []), list(objects))


# ---- storage classes, namespaces, kubelets ----


def storage_classes(cluster: Cluster) -> list[StorageClass]:
    """Return the StorageClasses."""
    return sorted(
        (
            StorageClass(
                name=each["metadata"]["name"],
                provisioner=each["provisioner"],
                default=each["metadata"].get("annotations", {}).get(DEFAULT_CLASS) == "true",
            )
            for each in cluster.items("/apis/storage.k8s.io/v1/storageclasses")
        ),
        key=lambda each: each.name,
    )


def endings(cluster: Cluster) -> list[TerminatingNamespace]:
    """Return the namespaces that are being deleted."""
    return sorted(
        (
            ending(each, cluster.now())
            for each in cluster.items("/api/v1/namespaces")
            if each["metadata"].get("deletionTimestamp")
        ),
        key=lambda each: each.namespace,
    )


def ending(namespace: Json, now: datetime) -> TerminatingNamespace:
    """Return the facts of a namespace that is being deleted; ``now`` by the API server's clock."""
    since = datetime.fromisoformat(namespace["metadata"]["deletionTimestamp"])
    return TerminatingNamespace(
        namespace=namespace["metadata"]["name"],
        seconds=round((now - since).total_seconds(), 1),
        reasons={
            condition["type"]: condition.get("message", "")
            for condition in namespace["status"].get("conditions") or []
            if condition["status"] == "True"
        },
    )


def kubelets(cluster: Cluster, nodes: list[NodeStatus]) -> dict[str, str]:
    """Return why the API server cannot reach the kubelet of a Ready node; empty if it can."""
    ready = [node.name for node in nodes if node.ready]
    with ThreadPoolExecutor(16) as pool:
        problems = pool.map(lambda name: kubelet_problem(cluster, name), ready)
        return dict(zip(ready, problems, strict=True))


def kubelet_problem(cluster: Cluster, node: str) -> str:
    """Return why the API server cannot reach the kubelet; empty if it can.

    Raises:
        ApiStatusError: this user may not access the node's proxy.
    """
    try:
        cluster.request("GET", f"/api/v1/nodes/{node}/proxy/healthz")
    except ApiStatusError as refusal:
        if refusal.code == 403:
            raise
        return str(refusal)
    except InconclusiveError as problem:
        return str(problem)
    return ""
