# SPDX-License-Identifier: Apache-2.0
"""JSON Merge Patch."""

from typing import Any

import pytest

from heatgen.yamlio.merge_patch import merged


@pytest.mark.parametrize(
    ("data", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch(data: Any, patch: Any, result: Any) -> None:
    """The examples of RFC 7396, appendix A, have the results that it lists."""
    assert merged(data, patch) == result


def test_merge_keeps_the_originals() -> None:
    """Merging changes neither mapping."""
    base, more = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert merged(base, more) == {"a": {"b": 1, "c": 2}}
    assert (base, more) == ({"a": {"b": 1}}, {"a": {"c": 2}})
