# SPDX-License-Identifier: Apache-2.0
"""Tests of versions to which a running control plane cannot change."""

import pytest

from heatgen.stack.refused_changes import refused_changes
from heatgen.yamlio.codes import Code


def template(versions: str) -> dict[str, object]:
    """Return a template with these versions, "VERSION" or "VERSION as EMULATED"."""
    version, _, emulated = versions.partition(" as ")
    found = {"kubernetes": version} | ({"kubernetes-emulated": emulated} if emulated else {})
    return {"outputs": {"conformance": {"value": {"versions": found}}}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # The first step of an update, the second, and the return from the first.
        ("1.36.3", "1.37.2 as 1.36.3"),
        ("1.37.2 as 1.36.3", "1.37.2"),
        ("1.37.2 as 1.36.3", "1.36.3"),
        ("1.37.2 as 1.36.3", "1.36.1"),
        # The first step of the next update.
        ("1.36.3 as 1.35.4", "1.37.2 as 1.36.3"),
        ("1.36.3", "1.37.2"),
    ],
)
def test_allowed(before: str, after: str) -> None:
    """The version may become older if the behavior does not."""
    assert refused_changes(template(before), template(after)) == []


@pytest.mark.parametrize(
    ("before", "after", "hint"),
    [
        ("1.37.2", "1.36.3", "1.37.2 or later"),
        ("1.37.2", "1.37.2 as 1.36.3", "1.37.2 or later"),
        ("1.37.2 as 1.36.3", "1.35.4", "1.36.3 or later"),
        ("1.35.4", "1.37.2 as 1.36.3", "1.36.x first"),
        ("1.35.4", "1.37.2", "1.36.x first"),
        ("1.36.3 as 1.35.4", "1.37.2", "remove orchestration.emulate first"),
    ],
)
def test_refused(before: str, after: str, hint: str) -> None:
    """Neither skips a minor version, and the behavior does not become older."""
    [refusal] = refused_changes(template(before), template(after))
    assert refusal.code == Code.VERSION_SKEW
    assert hint in refusal.hint
