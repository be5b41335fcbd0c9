# SPDX-License-Identifier: Apache-2.0
"""Rules as data: each condition means what it says, defaults count where nothing is given."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance import cis_rules
from conformance.api import core_resources
from conformance.api.client import ApiStatusError, Cluster
from conformance.cis_rules import FileRule, FlagRule, Predicate
from conformance.facts.model import Leader
from conformance.facts.security import FileMode

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("must", "given", "obeyed"),
    [
        (cis_rules.equals("false"), "false", True),
        (cis_rules.equals("false"), None, False),
        (cis_rules.IS_SET, "x", True),
        (cis_rules.IS_SET, None, False),
        (cis_rules.NOT_SET, None, True),
        (cis_rules.NOT_SET, "x", False),
        (cis_rules.differs_from("true"), None, True),
        (cis_rules.differs_from("true"), "true", False),
        (cis_rules.one_of("a", "b"), "b", True),
        (cis_rules.one_of("a", "b"), "a,b", False),
        (cis_rules.has("RBAC"), "Node,RBAC", True),
        (cis_rules.has("RBAC"), "NodeRBAC", False),
        (cis_rules.lacks("AlwaysAllow"), "Node,AlwaysAllow", False),
        (cis_rules.lacks("AlwaysAllow"), None, True),
        (cis_rules.at_least(1), "30", True),
        (cis_rules.at_least(1), "0", False),
        (cis_rules.at_least(1), None, False),
    ],
)
def test_predicates_of_rules(must: Predicate, given: str | None, obeyed: bool) -> None:
    """What each condition allows and refuses."""
    assert FlagRule("flag", must, "why").obeyed(given) is obeyed


def test_default_counts_where_nothing_is_given() -> None:
    """A flag that is right by default need not be given, one that is wrong by default must."""
    assert FlagRule("flag", cis_rules.equals("true"), "why", "true").obeyed(None)
    assert not FlagRule("profiling", cis_rules.equals("false"), "why", "true").obeyed(None)


def test_predicates_say_what_they_want() -> None:
    """Messages name the condition."""
    assert str(cis_rules.TLS_12) == "is one of VersionTLS12,VersionTLS13"
    assert str(cis_rules.at_least(1000000)) == "at least 1000000"


@pytest.mark.parametrize(
    ("mode", "owner", "obeyed"),
    [
        ("600", "root", True),
        ("400", "root", True),
        ("640", "root", False),
        ("1600", "root", False),
        ("600", "nobody", False),
    ],
)
def test_mode_may_allow_less_and_not_more(mode: str, owner: str, obeyed: bool) -> None:
    """A bit that the rule does not have is one too many, set-user bits included."""
    rule = FileRule(name="keys", globs=("/etc/*.key",), most=0o600, why="why")
    file = FileMode("/etc/a/b.key", mode, owner, "f")
    assert rule.applies(file)
    assert rule.obeyed(file) is obeyed


def test_links_are_judged_by_what_they_lead_to() -> None:
    """A symbolic link has mode 777 always; a rule about files is not about it."""
    rule = FileRule(name="keys", globs=("/etc/*.key",), most=0o600, why="why")
    assert not rule.applies(FileMode("/etc/b.key", "777", "root", "l"))


# ---- what the API is asked for them ----


class Told(Cluster):
    """A cluster that answers from a table."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def now(self) -> datetime:
        """A fixed time."""
        return NOW

    def get(self, path: str, **_: str) -> Any:
        """The answer, or 404."""
        if path not in self.answers:
            raise ApiStatusError(404, f"{path} not found")
        return self.answers[path]


def test_kubelets_configuration_holds_what_rules_ask_for_only() -> None:
    """Nested keys are joined, lists too; anything else the kubelet tells is not kept."""
    config = {
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": "/ca"}},
        "readOnlyPort": 10255,
        "staticPodURLHeader": {"Authorization": ["Bearer x"]},
    }
    cluster = Told({"/api/v1/nodes/a/proxy/configz": {"kubeletconfig": config}})
    told = core_resources.kubelet_config(cluster, "a")
    assert told == {
        "authentication.anonymous.enabled": "false",
        "authentication.x509.clientCAFile": "/ca",
        "readOnlyPort": "10255",
    }
    assert "Bearer" not in json.dumps(told)


def test_leaders_are_told_by_their_age() -> None:
    """By the API's clock; a lease that is not there is left out, one never renewed is very old."""
    renewed = (NOW - timedelta(seconds=4)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "a_1", "renewTime": renewed, "leaseDurationSeconds": 15}
    at = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    told = core_resources.leaders(Told({f"{at}/kube-scheduler": {"spec": spec}}))
    assert told == {"kube-scheduler": Leader(holder="a_1", age=4.0, term=15.0, renewed=renewed)}
    told = core_resources.leaders(Told({f"{at}/kube-scheduler": {"spec": {}}}))
    assert told["kube-scheduler"].age > 1e9
