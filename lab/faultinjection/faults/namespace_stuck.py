# SPDX-License-Identifier: Apache-2.0
"""A namespace is stuck in deletion: an object in it has a finalizer that no controller removes."""

from datetime import UTC, datetime

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Json, Victims

KIND = "real"
MESSAGE_CONTAINS = ("heatgen-fault",)
COMPANIONS: dict[str, str] = {}

NAME = "heatgen-fault"
NAMESPACE: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}}
BLOCKED: Json = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "held",
        "namespace": NAME,
        "finalizers": ["heatgen-fault.example/no-controller"],
    },
}
STUCK_SECONDS = 62.0  # above the limit of the check
NEVER = "9999-01-01T00:00:00Z"


def inject(context: Context) -> Victims:
    """Create both, delete the namespace, and wait until it counts as stuck."""
    context.apply(NAMESPACE)
    context.apply(BLOCKED)
    context.delete(NAMESPACE)
    context.wait_for("a stuck namespace", 120, lambda: age(context) > STUCK_SECONDS)
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Remove the finalizer, and wait until the namespace is deleted."""
    patch = '{"metadata":{"finalizers":null}}'
    context.kubectl("patch", "configmap", "held", "-n", NAME, "-p", patch, check=False)
    context.delete(NAMESPACE)
    context.wait_for("deletion of the namespace", 90, lambda: age(context) < 0)


def age(context: Context) -> float:
    """Return for how many seconds it has been terminating; negative if it does not exist."""
    for each in context.kubectl_json("get", "namespaces")["items"]:
        if each["metadata"]["name"] == NAME:
            since = datetime.fromisoformat(each["metadata"].get("deletionTimestamp", NEVER))
            return max((datetime.now(UTC) - since).total_seconds(), 0.0)
    return -1.0
