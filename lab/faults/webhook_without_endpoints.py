# SPDX-License-Identifier: Apache-2.0
"""A policy's webhook is asked about every new pod and ConfigMap, and its pods are gone.

As after an operator was removed without its configuration: nothing new starts anywhere.
"""

from lab.trial.scene import NOBODY, Json, Scene, Victims

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


def inject(scene: Scene) -> Victims:
    """Make it; the fault is the whole cluster's."""
    scene.apply(NAMESPACE)
    scene.apply(SERVICE, WEBHOOK)
    return NOBODY


def heal(scene: Scene) -> None:
    """Remove it, the webhook first, and wait until its namespace is gone."""
    scene.remove(WEBHOOK)
    scene.remove(NAMESPACE)
    scene.wait_for("its namespace to go", 90, lambda: NAME not in namespaces(scene))


def namespaces(scene: Scene) -> set[str]:
    """The names of all namespaces."""
    return {each["metadata"]["name"] for each in scene.ask("get", "namespaces")["items"]}
