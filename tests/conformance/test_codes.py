# SPDX-License-Identifier: Apache-2.0
"""Codes of check failures are unique, described and used."""

import re
from pathlib import Path

import pytest

import conformance
from conformance.codes import Code

SUITE = Path(conformance.__file__).parent
USED = {
    name
    for path in SUITE.rglob("*.py")
    if path.name != "codes.py"
    for name in re.findall(r"\bCode\.([A-Z][A-Z0-9_]*)\b", path.read_text())
}


@pytest.mark.parametrize("code", Code, ids=str)
def test_code_is_valid(code: Code) -> None:
    """The value is the name in kebab-case, and the description is one sentence."""
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
    assert code == code.name.lower().replace("_", "-")
    assert re.fullmatch(r"(?:[A-Z]|etcd |flannel|kubelet)[^\n]*[^.\s]\.", code.description)
    assert ". " not in code.description


def test_codes_are_unique() -> None:
    """No two members have the same value or the same description."""
    members = Code.__members__
    assert len({code.value for code in members.values()}) == len(members)
    assert len({code.description for code in members.values()}) == len(members)


def test_every_code_is_used() -> None:
    """Every member is used in the suite, and every code in the suite is a member."""
    assert set(Code.__members__) == USED
