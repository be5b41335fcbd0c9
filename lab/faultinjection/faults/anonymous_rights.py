# SPDX-License-Identifier: Apache-2.0
"""The role `view` is bound to all users, all pods and anonymous clients, as a quick workaround."""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Json, Victims

KIND = "real"
FEW = True
MESSAGE_CONTAINS = ("heatgen-fault",)
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
    """Create the binding; the fault affects the whole cluster."""
    context.apply(BINDING)
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Delete the binding."""
    context.delete(BINDING)
