# SPDX-License-Identifier: Apache-2.0
"""A validating webhook for new pods has no backend pods.

This happens if an operator is removed without its webhook configuration: no new pod starts.
"""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Json, Victims

KIND = "real"
MESSAGE_CONTAINS = ("heatgen-fault",)
COMPANIONS: dict[str, str] = {}
INCONCLUSIVE = "no pod of the run can be created"

NAME = "heatgen-fault"
NAMESPACE: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}}
SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": NAME, "namespace": NAME},
    "spec": {"selector": {"app": "missing"}, "ports": [{"port": 443}]},
}
RULE: Json = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["CREATE"],
    "resources": ["pods"],
}
WEBHOOK: Json = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": NAME},
    "webhooks": [
        {
            "name": "policy.heatgen-fault.example",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 2,
            "clientConfig": {"service": {"namespace": NAME, "name": NAME, "port": 443}},
            "rules": [RULE],
        }
    ],
}


def inject(context: Context) -> Victims:
    """Create the webhook; the fault affects the whole cluster."""
    context.apply(NAMESPACE)
    context.apply(SERVICE, WEBHOOK)
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Delete the webhook first, then its namespace, and wait until that is deleted."""
    context.delete(WEBHOOK)
    context.delete(NAMESPACE)
    context.wait_for("deletion of the namespace", 90, lambda: NAME not in namespaces(context))


def namespaces(context: Context) -> set[str]:
    """Return the names of all namespaces."""
    return {each["metadata"]["name"] for each in context.kubectl_json("get", "namespaces")["items"]}
