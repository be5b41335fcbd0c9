# SPDX-License-Identifier: Apache-2.0
"""The role `view` is bound to every user, every pod, and strangers, so that something works."""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Json, Victims

KIND = "real"
FEW = True
SAYS = ("heatgen-fault",)
COMPANIONS: dict[str, str] = {}

GROUPS = ("system:unauthenticated", "system:authenticated")
BINDING: Json = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "heatgen-fault"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    "subjects": [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}
        for group in GROUPS
    ],
}


def inject(context: Context) -> Victims:
    """Bind it; the fault is the whole cluster's."""
    context.apply(BINDING)
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Take the binding away."""
    context.remove(BINDING)
