# SPDX-License-Identifier: Apache-2.0
"""The role `view` is bound to every user, every pod, and strangers, so that something works."""

from lab.trial.scene import NOBODY, Json, Scene, Victims

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


def inject(scene: Scene) -> Victims:
    """Bind it; the fault is the whole cluster's."""
    scene.apply(BINDING)
    return NOBODY


def heal(scene: Scene) -> None:
    """Take the binding away."""
    scene.remove(BINDING)
