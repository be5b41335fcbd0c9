# SPDX-License-Identifier: Apache-2.0
"""Object counts of a cluster, which must not grow during a soak."""

from collections.abc import Iterator

from conformance.api.client import ApiStatusError, Cluster
from conformance.api.pods import Json

# Cluster-scoped objects: few, so new ones are reported by name.
CLUSTER_WIDE = {
    "namespaces": "/api/v1/namespaces",
    "nodes": "/api/v1/nodes",
    "persistent volumes": "/api/v1/persistentvolumes",
    "cluster roles": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "cluster role bindings": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "priority classes": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "storage classes": "/apis/storage.k8s.io/v1/storageclasses",
    "runtime classes": "/apis/node.k8s.io/v1/runtimeclasses",
    "validating webhooks": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "mutating webhooks": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "definitions": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
}
# Only counted. Events are omitted because the API server deletes them after an hour.
IN_NAMESPACES = {
    "pods": "/api/v1/pods",
    "services": "/api/v1/services",
    "secrets": "/api/v1/secrets",
    "config maps": "/api/v1/configmaps",
    "leases": "/apis/coordination.k8s.io/v1/leases",
    "endpoint slices": "/apis/discovery.k8s.io/v1/endpointslices",
    "jobs": "/apis/batch/v1/jobs",
    "certificate requests": "/apis/certificates.k8s.io/v1/certificatesigningrequests",
}


def identity(cluster: Cluster) -> str:
    """Return an identity that a recreated cluster does not share; empty if access is denied."""
    try:
        return str(cluster.get("/api/v1/namespaces/kube-system")["metadata"]["uid"])
    except (ApiStatusError, KeyError):
        return ""


def names(cluster: Cluster) -> dict[str, set[str]]:
    """Return the names of cluster-scoped objects by kind, without kinds that cannot be listed."""
    found = {}
    for kind, path in CLUSTER_WIDE.items():
        try:
            found[kind] = {str(item["metadata"]["name"]) for item in cluster.items(path)}
        except ApiStatusError:
            continue
    return found


def counts(cluster: Cluster) -> dict[str, int]:
    """Return the number of objects of each kind, requesting one object of each."""
    found = {}
    for kind, path in (CLUSTER_WIDE | IN_NAMESPACES).items():
        try:
            answer = cluster.get(path, limit="1")
        except ApiStatusError:
            continue
        rest = answer.get("metadata", {}).get("remainingItemCount", 0) or 0
        found[kind] = len(answer.get("items") or []) + int(rest)
    return found


def restarts(cluster: Cluster) -> dict[str, int]:
    """Return container restarts above 0, by NAMESPACE/POD/CONTAINER."""
    return {
        name: count
        for pod in cluster.items("/api/v1/pods")
        for name, count in _restarts(pod)
        if count
    }


def _restarts(pod: Json) -> Iterator[tuple[str, int]]:
    at = f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"
    for status in pod.get("status", {}).get("containerStatuses", []):
        yield f"{at}/{status.get('name', '')}", int(status.get("restartCount", 0))
