# SPDX-License-Identifier: Apache-2.0
"""Service accounts for checks of RBAC and tokens: one with a role, one that a check deletes."""

from conformance.manifests.base import Manifest, Run, namespaced

RBAC_READER, RBAC_CONFIGMAP = "rbac-reader", "rbac-configmap"
DELETED_ACCOUNT = "deleted-account"
OTHER_AUDIENCE = "other-audience"
RBAC = "rbac.authorization.k8s.io"


def manifests(run: Run) -> list[Manifest]:
    """Return the accounts, and a role that may read one ConfigMap."""
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [RBAC_CONFIGMAP]}
    reader = {"kind": "ServiceAccount", "name": RBAC_READER, "namespace": run.namespace}
    role = {"apiGroup": RBAC, "kind": "Role", "name": RBAC_READER}
    return [
        *(namespaced(run, "v1", "ServiceAccount", name) for name in (RBAC_READER, DELETED_ACCOUNT)),
        namespaced(run, "v1", "ConfigMap", RBAC_CONFIGMAP, data={"value": "readable"}),
        namespaced(run, f"{RBAC}/v1", "Role", RBAC_READER, rules=[rule | {"verbs": ["get"]}]),
        namespaced(run, f"{RBAC}/v1", "RoleBinding", RBAC_READER, roleRef=role, subjects=[reader]),
    ]
