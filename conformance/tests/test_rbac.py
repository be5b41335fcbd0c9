# SPDX-License-Identifier: Apache-2.0
"""Across the layers: who may do what. Roles give what they say, and nothing to everybody."""

import pytest

from conformance import cis_rules
from conformance.api.client import TooLateError, until
from conformance.deploy.live import Live
from conformance.facts.cluster_resources import Binding, Right
from conformance.facts.model import Facts
from conformance.faults import detects
from conformance.manifests.rbac import ANOTHER_AUDIENCE, CLERK, CLERKS_PAPER, LEAVER
from conformance.outcome import BrokenError, CouldNotAskError, known, require
from conformance.support import tokens

pytestmark = pytest.mark.hardening

FOLLOW_SECONDS = 15.0  # for every API server to have heard of a new role, or of an account's end


# ---- what roles are bound to ----


@detects("anonymous-rights")
def test_strangers_have_no_rights(facts: Facts) -> None:
    """To those who show no credentials nothing is given but versions and health."""
    given = [
        each
        for each in known(known(facts.governance).bindings)
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
        for each in known(known(facts.governance).bindings)
        if each.subject not in cis_rules.STRANGERS and any(is_great(right) for right in each.rights)
    ]
    require_none(given, "everybody (system:authenticated, system:serviceaccounts)")


def is_great(right: Right) -> bool:
    """Does it let one change anything, or read what is not for everybody?"""
    return not set(right.verbs) <= cis_rules.READING or bool(set(right.objects) & cis_rules.CLOSED)


def require_none(given: list[Binding], whom: str) -> None:
    """No binding gives them such rights."""
    first = given[0] if given else Binding("NAME", "", "", "", [])
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
def test_account_may_do_what_its_role_says(live: Live) -> None:
    """A service account reads the one thing its role names, and nothing else anywhere."""
    token = tokens.token(live, CLERK)
    own, paper = live.path("configmaps"), live.path("configmaps", CLERKS_PAPER)
    require_code(live, paper, token, 200, "what its role allows")
    for path in (own, live.path("secrets"), "/api/v1/namespaces/kube-system/configmaps",
                 "/api/v1/nodes", "/api/v1/secrets"):  # fmt: skip
        require_code(live, path, token, 403, "what nothing allows")


def require_code(live: Live, path: str, token: str, code: int, what: str) -> None:
    """Asked with the token, the API answers with that HTTP code."""
    try:
        seen = until(
            lambda: live.cluster.stranger(path, token),
            lambda seen: seen == code,
            FOLLOW_SECONDS if code == 200 else 0.0,
        )
    except TooLateError as late:
        seen = late.last
    require(
        seen == code,
        at=f"{path}, asked with the token of service account {CLERK}: {what}",
        expected=f"HTTP {code}",
        seen=f"HTTP {seen}",
        likely="the API server does not authorize by RBAC, or has not heard of the new role"
        if code == 200
        else "a role is bound to all accounts, or to everybody; or the API allows all",
        look=f"kubectl auth can-i --list --as=system:serviceaccount:{live.run.namespace}:{CLERK}",
    )


def test_token_for_another_is_refused(live: Live) -> None:
    """A token that was made for somebody else does not open the API."""
    seen = live.cluster.stranger("/api", tokens.token(live, CLERK, ANOTHER_AUDIENCE))
    require(
        seen == 401,
        at=f"the API, asked with a token for the audience {ANOTHER_AUDIENCE}",
        expected="HTTP 401",
        seen=f"HTTP {seen}",
        likely="--api-audiences of the API server is too wide",
        look="on a server: systemctl cat kube-apiserver | grep -e audiences -e issuer",
    )


def test_token_ends_with_its_account(live: Live) -> None:
    """When an account is deleted, tokens that live on open nothing any more."""
    before, after = tokens.token(live, LEAVER), tokens.token(live, LEAVER)
    if (seen := live.cluster.stranger("/api", before)) != 200:
        raise CouldNotAskError(f"a fresh token of account {LEAVER} gets HTTP {seen} at /api")
    live.cluster.delete(live.path("serviceaccounts", LEAVER))
    try:
        # Another token of it, for the API server remembers for ten seconds whom it let in.
        until(
            lambda: live.cluster.stranger("/api", after),
            lambda seen: seen == 401,
            FOLLOW_SECONDS,
        )
    except TooLateError as late:
        raise BrokenError(
            at=f"the API, asked with a token of the deleted account {LEAVER}",
            expected="HTTP 401",
            seen=f"HTTP {late.last}, {FOLLOW_SECONDS:.0f} s later",
            likely="--service-account-lookup is off, or an API server does not follow its etcd",
            look="on a server: systemctl cat kube-apiserver | grep service-account",
        ) from None
