# SPDX-License-Identifier: Apache-2.0
"""Rules as data: each condition means what it says, defaults count where nothing is given."""

import pytest

from conformance import cis_rules
from conformance.cis_rules import FileRule, FlagRule, Predicate
from conformance.facts.security import FileMode


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
