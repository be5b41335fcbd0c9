# SPDX-License-Identifier: Apache-2.0
"""Across the layers: who may do what. Roles give what they say, and nothing to everybody."""

import pytest

from conformance import cis_rules
from conformance.api.client import WaitTimeout, poll_until
from conformance.deploy.live import RunHandle
from conformance.facts.cluster_resources import Binding, Right
from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.manifests.rbac import DELETED_ACCOUNT, OTHER_AUDIENCE, RBAC_CONFIGMAP, RBAC_READER
from conformance.outcome import CheckFailed, InconclusiveError, require, value_or_skip
from conformance.support import tokens

pytestmark = pytest.mark.hardening

FOLLOW_SECONDS = 15.0  # for every API server to have heard of a new role, or of an account's end


# ---- what roles are bound to ----


@detects("anonymous-rights")
def test_strangers_have_no_rights(facts: Facts) -> None:
    """To those who show no credentials nothing is given but versions and health."""
    given = [
        each
        for each in value_or_skip(value_or_skip(facts.governance).bindings)
        if each.subject in cis_rules.STRANGERS
        and each.role not in cis_rules.FOR_STRANGERS
        and each.rights
    ]
    require_none(given, "strangers (system:anonymous, system:unauthenticated)")


@detects("anonymous-rights")
def test_everybody_has_no_great_rights(facts: Facts) -> None:
    """What every user and every pod may do is to ask about itself and to look at what is open."""
    given = [
        each
        for each in value_or_skip(value_or_skip(facts.governance).bindings)
        if each.subject not in cis_rules.STRANGERS and any(is_great(right) for right in each.rights)
    ]
    require_none(given, "everybody (system:authenticated, system:serviceaccounts)")


def is_great(right: Right) -> bool:
    """Does it let one change anything, or read what is not for everybody?"""
    return not set(right.verbs) <= cis_rules.READING or bool(set(right.objects) & cis_rules.CLOSED)


def require_none(given: list[Binding], whom: str) -> None:
    """No binding gives them such rights."""
    first = (
        given[0] if given else Binding(name="NAME", namespace="", role="", subject="", rights=[])
    )
    kind = f"rolebinding -n {first.namespace}" if first.namespace else "clusterrolebinding"
    require(
        not given,
        at=f"roles bound to {whom}",
        expected="none that gives rights",
        seen="\n".join(
            f"{each.name}: role {each.role} to {each.subject}"
            f"{f' in namespace {each.namespace}' if each.namespace else ''}: "
            f"{'; '.join(map(str, each.rights))}"
            for each in given
        ),
        likely="a binding that was made in haste, so that something works",
        look=f"kubectl get {kind} {first.name} -o yaml; kubectl delete {kind} {first.name}",
    )


# ---- rights and tokens: tried for real ----


@detects("anonymous-rights")
def test_account_may_do_what_its_role_says(live: RunHandle) -> None:
    """A service account reads the one thing its role names, and nothing else anywhere."""
    token = tokens.token(live, RBAC_READER)
    own, readable = live.path("configmaps"), live.path("configmaps", RBAC_CONFIGMAP)
    require_code(live, readable, token, 200, "what its role allows")
    for path in (own, live.path("secrets"), "/api/v1/namespaces/kube-system/configmaps",
                 "/api/v1/nodes", "/api/v1/secrets"):  # fmt: skip
        require_code(live, path, token, 403, "what nothing allows")


def require_code(live: RunHandle, path: str, token: str, code: int, what: str) -> None:
    """Asked with the token, the API answers with that HTTP code."""
    try:
        seen = poll_until(
            lambda: live.cluster.anonymous_status(path, token),
            lambda seen: seen == code,
            FOLLOW_SECONDS if code == 200 else 0.0,
        )
    except WaitTimeout as late:
        seen = late.last
    require(
        seen == code,
        at=f"{path}, asked with the token of service account {RBAC_READER}: {what}",
        expected=f"HTTP {code}",
        seen=f"HTTP {seen}",
        likely="the API server does not authorize by RBAC, or has not heard of the new role"
        if code == 200
        else "a role is bound to all accounts, or to everybody; or the API allows all",
        look="kubectl auth can-i --list "
        f"--as=system:serviceaccount:{live.run.namespace}:{RBAC_READER}",
    )


def test_token_for_another_is_refused(live: RunHandle) -> None:
    """A token that was made for somebody else does not open the API."""
    seen = live.cluster.anonymous_status("/api", tokens.token(live, RBAC_READER, OTHER_AUDIENCE))
    require(
        seen == 401,
        at=f"the API, asked with a token for the audience {OTHER_AUDIENCE}",
        expected="HTTP 401",
        seen=f"HTTP {seen}",
        likely="--api-audiences of the API server is too wide",
        look="on a server: systemctl cat kube-apiserver | grep -e audiences -e issuer",
    )


def test_token_ends_with_its_account(live: RunHandle) -> None:
    """When an account is deleted, tokens that live on open nothing any more."""
    before, after = tokens.token(live, DELETED_ACCOUNT), tokens.token(live, DELETED_ACCOUNT)
    if (seen := live.cluster.anonymous_status("/api", before)) != 200:
        raise InconclusiveError(
            f"a fresh token of account {DELETED_ACCOUNT} gets HTTP {seen} at /api"
        )
    live.cluster.delete(live.path("serviceaccounts", DELETED_ACCOUNT))
    try:
        # Another token of it, for the API server remembers for ten seconds whom it let in.
        poll_until(
            lambda: live.cluster.anonymous_status("/api", after),
            lambda seen: seen == 401,
            FOLLOW_SECONDS,
        )
    except WaitTimeout as late:
        raise CheckFailed(
            at=f"the API, asked with a token of the deleted account {DELETED_ACCOUNT}",
            expected="HTTP 401",
            seen=f"HTTP {late.last}, {FOLLOW_SECONDS:.0f} s later",
            likely="--service-account-lookup is off, or an API server does not follow its etcd",
            look="on a server: systemctl cat kube-apiserver | grep service-account",
        ) from None
