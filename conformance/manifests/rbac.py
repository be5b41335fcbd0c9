# SPDX-License-Identifier: Apache-2.0
"""Two service accounts to try rights with: one with a small role, one that is about to go."""

from conformance.manifests.base import Manifest, Run, namespaced

RBAC_READER, RBAC_CONFIGMAP = "rbac-reader", "rbac-configmap"
DELETED_ACCOUNT = "deleted-account"
OTHER_AUDIENCE = "other-audience"
RBAC = "rbac.authorization.k8s.io"


def manifests(run: Run) -> list[Manifest]:
    """The accounts, and the one role: to read one ConfigMap."""
    may = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [RBAC_CONFIGMAP]}
    reader = {"kind": "ServiceAccount", "name": RBAC_READER, "namespace": run.namespace}
    role = {"apiGroup": RBAC, "kind": "Role", "name": RBAC_READER}
    return [
        *(namespaced(run, "v1", "ServiceAccount", name) for name in (RBAC_READER, DELETED_ACCOUNT)),
        namespaced(run, "v1", "ConfigMap", RBAC_CONFIGMAP, data={"value": "readable"}),
        namespaced(run, f"{RBAC}/v1", "Role", RBAC_READER, rules=[may | {"verbs": ["get"]}]),
        namespaced(run, f"{RBAC}/v1", "RoleBinding", RBAC_READER, roleRef=role, subjects=[reader]),
    ]
