# SPDX-License-Identifier: Apache-2.0
"""Two service accounts to try rights with: one with a small role, one that is about to go."""

from conformance.manifests.base import Manifest, Run, namespaced

CLERK, CLERKS_PAPER = "clerk", "clerks-paper"
LEAVER = "leaver"
ANOTHER_AUDIENCE = "nobody-in-this-cluster"
RBAC = "rbac.authorization.k8s.io"


def scene(run: Run) -> list[Manifest]:
    """The accounts, and the one role: to read one paper."""
    may = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [CLERKS_PAPER]}
    clerk = {"kind": "ServiceAccount", "name": CLERK, "namespace": run.namespace}
    role = {"apiGroup": RBAC, "kind": "Role", "name": CLERK}
    return [
        *(namespaced(run, "v1", "ServiceAccount", name) for name in (CLERK, LEAVER)),
        namespaced(run, "v1", "ConfigMap", CLERKS_PAPER, data={"word": "read me"}),
        namespaced(run, f"{RBAC}/v1", "Role", CLERK, rules=[may | {"verbs": ["get"]}]),
        namespaced(run, f"{RBAC}/v1", "RoleBinding", CLERK, roleRef=role, subjects=[clerk]),
    ]
