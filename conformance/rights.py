# SPDX-License-Identifier: Apache-2.0
"""Two service accounts to try rights with: one with a small role, one that is about to go."""

import json

from conformance.live import Live
from conformance.stage import Manifest, Run, namespaced

CLERK, CLERKS_PAPER = "clerk", "clerks-paper"
LEAVER = "leaver"
ANOTHER_AUDIENCE = "nobody-in-this-cluster"
TOKEN_SECONDS = 600  # the least that the API gives
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


def token(live: Live, account: str, audience: str = "") -> str:
    """A new token of the account; it is used at once, and kept nowhere."""
    audiences = {"audiences": [audience]} if audience else {}
    body = {"spec": {"expirationSeconds": TOKEN_SECONDS, **audiences}}
    answer = live.cluster.request("POST", f"{live.path('serviceaccounts', account)}/token", body)
    return str(json.loads(answer)["status"]["token"])
