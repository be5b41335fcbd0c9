# SPDX-License-Identifier: Apache-2.0
"""Across the layers: roles grant what they state, and nothing excessive to all clients."""

import pytest

from conformance import cis_rules
from conformance.api.client import WaitTimeout, poll_until
from conformance.codes import Code
from conformance.deploy.live import RunHandle
from conformance.facts.cluster_resources import Binding, Right
from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.manifests.rbac import DELETED_ACCOUNT, OTHER_AUDIENCE, RBAC_CONFIGMAP, RBAC_READER
from conformance.outcome import CheckFailed, InconclusiveError, require, value_or_skip
from conformance.support import tokens

pytestmark = pytest.mark.hardening

FOLLOW_SECONDS = 15.0  # until every API server has seen a new role or a deleted account


# ---- role bindings ----


@detects("anonymous-rights")
def test_anonymous_clients_have_no_rights(facts: Facts) -> None:
    """Anonymous clients can read the version and the health of the API only."""
    given = [
        each
        for each in value_or_skip(value_or_skip(facts.governance).bindings)
        if each.subject in cis_rules.ANONYMOUS
        and each.role not in cis_rules.ANONYMOUS_ROLES
        and each.rights
    ]
    require_none(given, "anonymous clients (system:anonymous, system:unauthenticated)")


@detects("anonymous-rights")
def test_all_clients_have_limited_rights(facts: Facts) -> None:
    """Groups of all users or all pods can only review themselves and read unprotected objects."""
    given = [
        each
        for each in value_or_skip(value_or_skip(facts.governance).bindings)
        if each.subject not in cis_rules.ANONYMOUS
        and any(is_excessive(right) for right in each.rights)
    ]
    require_none(given, "all clients (system:authenticated, system:serviceaccounts)")


def is_excessive(right: Right) -> bool:
    """Return whether the right allows changes, or reading protected objects."""
    return not set(right.verbs) <= cis_rules.READING or bool(
        set(right.objects) & cis_rules.PROTECTED
    )


def require_none(given: list[Binding], subjects: str) -> None:
    """Require that no binding grants the subjects such rights."""
    first = (
        given[0] if given else Binding(name="NAME", namespace="", role="", subject="", rights=[])
    )
    kind = f"rolebinding -n {first.namespace}" if first.namespace else "clusterrolebinding"
    require(
        not given,
        at=f"roles bound to {subjects}",
        expected="none that grants such rights",
        seen="\n".join(
            f"{each.name}: role {each.role} to {each.subject}"
            f"{f' in namespace {each.namespace}' if each.namespace else ''}: "
            f"{'; '.join(map(str, each.rights))}"
            for each in given
        ),
        likely="a binding that was created as a workaround",
        look=f"kubectl get {kind} {first.name} -o yaml; kubectl delete {kind} {first.name}",
        code=Code.RIGHTS_TOO_WIDE,
    )


# ---- requests with the tokens of service accounts ----


@detects("anonymous-rights")
def test_account_has_only_the_rights_of_its_role(live: RunHandle) -> None:
    """A service account can read the one object that its role names, and nothing else."""
    token = tokens.token(live, RBAC_READER)
    own, readable = live.path("configmaps"), live.path("configmaps", RBAC_CONFIGMAP)
    require_status(live, readable, token, 200, "allowed by its role")
    for path in (own, live.path("secrets"), "/api/v1/namespaces/kube-system/configmaps",
                 "/api/v1/nodes", "/api/v1/secrets"):  # fmt: skip
        require_status(live, path, token, 403, "not allowed by any role")


def require_status(live: RunHandle, path: str, token: str, status: int, what: str) -> None:
    """Require that the API answers a request with the token with that HTTP status."""
    try:
        seen = poll_until(
            lambda: live.cluster.anonymous_status(path, token),
            lambda seen: seen == status,
            FOLLOW_SECONDS if status == 200 else 0.0,
        )
    except WaitTimeout as late:
        seen = late.last
    require(
        seen == status,
        at=f"{path}, requested with the token of service account {RBAC_READER}: {what}",
        expected=f"HTTP {status}",
        seen=f"HTTP {seen}",
        likely="the API server does not authorize with RBAC, or has not seen the new role"
        if status == 200
        else "a role is bound to all accounts or to all clients, or the API allows every request",
        look="kubectl auth can-i --list "
        f"--as=system:serviceaccount:{live.run.namespace}:{RBAC_READER}",
        code=Code.RIGHTS_MISSING if status == 200 else Code.RIGHTS_TOO_WIDE,
    )


def test_token_for_another_audience_is_rejected(live: RunHandle) -> None:
    """The API rejects a token that was issued for another audience."""
    seen = live.cluster.anonymous_status("/api", tokens.token(live, RBAC_READER, OTHER_AUDIENCE))
    require(
        seen == 401,
        at=f"the API, requested with a token for the audience {OTHER_AUDIENCE}",
        expected="HTTP 401",
        seen=f"HTTP {seen}",
        likely="--api-audiences of the API server is too wide",
        look="on a server: systemctl cat kube-apiserver | grep -e audiences -e issuer",
        code=Code.TOKEN_AUDIENCE_IGNORED,
    )


def test_token_of_deleted_account_is_rejected(live: RunHandle) -> None:
    """The API rejects unexpired tokens of a service account that was deleted."""
    before, after = tokens.token(live, DELETED_ACCOUNT), tokens.token(live, DELETED_ACCOUNT)
    if (seen := live.cluster.anonymous_status("/api", before)) != 200:
        raise InconclusiveError(
            f"a new token of account {DELETED_ACCOUNT} gets HTTP {seen} at /api"
        )
    live.cluster.delete(live.path("serviceaccounts", DELETED_ACCOUNT))
    try:
        # Another token, as the API server caches successful authentications for ten seconds.
        poll_until(
            lambda: live.cluster.anonymous_status("/api", after),
            lambda seen: seen == 401,
            FOLLOW_SECONDS,
        )
    except WaitTimeout as late:
        raise CheckFailed(
            at=f"the API, requested with a token of the deleted account {DELETED_ACCOUNT}",
            expected="HTTP 401",
            seen=f"HTTP {late.last}, {FOLLOW_SECONDS:.0f} s later",
            likely="--service-account-lookup is off, or an API server does not follow etcd",
            look="on a server: systemctl cat kube-apiserver | grep service-account",
            code=Code.TOKEN_OUTLIVES_ACCOUNT,
        ) from None
