# SPDX-License-Identifier: Apache-2.0
"""Evaluation of hardening rules: conditions, defaults, file modes."""

import pytest

from conformance import cis_rules
from conformance.cis_rules import FileRule, FlagRule, Predicate
from conformance.facts.security import FileMode


@pytest.mark.parametrize(
    ("must", "given", "is_met"),
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
def test_predicates_of_rules(must: Predicate, given: str | None, is_met: bool) -> None:
    """Each condition accepts and rejects the right values."""
    assert FlagRule("flag", must, "why").is_met(given) is is_met


def test_default_applies_without_a_value() -> None:
    """If a flag is not given, the rule applies to the default of the program."""
    assert FlagRule("flag", cis_rules.equals("true"), "why", "true").is_met(None)
    assert not FlagRule("profiling", cis_rules.equals("false"), "why", "true").is_met(None)


def test_text_of_predicates() -> None:
    """The text of a condition contains its values."""
    assert str(cis_rules.TLS_12) == "is one of VersionTLS12,VersionTLS13"
    assert str(cis_rules.at_least(1000000)) == "at least 1000000"


@pytest.mark.parametrize(
    ("mode", "owner", "is_met"),
    [
        ("600", "root", True),
        ("400", "root", True),
        ("640", "root", False),
        ("1600", "root", False),
        ("600", "daemon", False),
    ],
)
def test_mode_may_not_exceed_the_rule(mode: str, owner: str, is_met: bool) -> None:
    """A mode with a bit that the rule lacks, including set-user bits, is rejected."""
    rule = FileRule(name="keys", globs=("/etc/*.key",), most=0o600, why="why")
    file = FileMode("/etc/a/b.key", mode, owner, "f")
    assert rule.applies(file)
    assert rule.is_met(file) is is_met


def test_rules_do_not_apply_to_links() -> None:
    """A rule for files does not apply to symbolic links, which always have mode 777."""
    rule = FileRule(name="keys", globs=("/etc/*.key",), most=0o600, why="why")
    assert not rule.applies(FileMode("/etc/b.key", "777", "root", "l"))
