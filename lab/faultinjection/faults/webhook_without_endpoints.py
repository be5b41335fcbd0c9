# SPDX-License-Identifier: Apache-2.0
"""A policy's webhook is asked about every new pod and ConfigMap, and its pods are gone.

As after an operator was removed without its configuration: nothing new starts anywhere.
"""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Json, Victims

KIND = "real"
SAYS = ("heatgen-fault",)
COMPANIONS: dict[str, str] = {}
UNASKED = "no pod of the run can be made"

NAME = "heatgen-fault"
NAMESPACE: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}}
SERVICE: Json = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": NAME, "namespace": NAME},
    "spec": {"selector": {"app": "gone"}, "ports": [{"port": 443}]},
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
    """Make it; the fault is the whole cluster's."""
    context.apply(NAMESPACE)
    context.apply(SERVICE, WEBHOOK)
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Remove it, the webhook first, and wait until its namespace is gone."""
    context.remove(WEBHOOK)
    context.remove(NAMESPACE)
    context.wait_for("its namespace to go", 90, lambda: NAME not in namespaces(context))


def namespaces(context: Context) -> set[str]:
    """The names of all namespaces."""
    return {each["metadata"]["name"] for each in context.ask("get", "namespaces")["items"]}
