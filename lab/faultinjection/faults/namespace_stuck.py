# SPDX-License-Identifier: Apache-2.0
"""A namespace is deleted, and holds something whose finalizer nobody takes away."""

from datetime import UTC, datetime

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Json, Victims

KIND = "real"
SAYS = ("heatgen-fault",)
COMPANIONS: dict[str, str] = {}

NAME = "heatgen-fault"
NAMESPACE: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}}
HELD: Json = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {
        "name": "held",
        "namespace": NAME,
        "finalizers": ["heatgen-fault.example/nobody"],
    },
}
LONG_ENOUGH = 62.0  # seconds, after which it is no delay any more
NEVER = "9999-01-01T00:00:00Z"


def inject(context: Context) -> Victims:
    """Make both, delete the namespace, and let it lie for as long as makes it stuck."""
    context.apply(NAMESPACE)
    context.apply(HELD)
    context.remove(NAMESPACE)
    context.wait_for("the time after which it is stuck", 120, lambda: age(context) > LONG_ENOUGH)
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Take the finalizer away, and see the namespace go."""
    change = '{"metadata":{"finalizers":null}}'
    context.kubectl("patch", "configmap", "held", "-n", NAME, "-p", change, check=False)
    context.remove(NAMESPACE)
    context.wait_for("the namespace to go", 90, lambda: age(context) < 0)


def age(context: Context) -> float:
    """For how many seconds it has been ending; less than none if it is not there."""
    for each in context.ask("get", "namespaces")["items"]:
        if each["metadata"]["name"] == NAME:
            since = datetime.fromisoformat(each["metadata"].get("deletionTimestamp", NEVER))
            return max((datetime.now(UTC) - since).total_seconds(), 0.0)
    return -1.0
