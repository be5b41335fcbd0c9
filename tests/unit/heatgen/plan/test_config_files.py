# SPDX-License-Identifier: Apache-2.0
"""Tests of configuration files: JSON pointers, merge patches, formats."""

import json
import tomllib
from typing import Any

import pytest

from heatgen.plan import config_files


@pytest.mark.parametrize(
    ("data", "pointer", "result"),
    [
        ({}, "/a", {"a": 1}),
        ({"a": 0, "b": 2}, "/a", {"a": 1, "b": 2}),
        ({}, "/a/b", {"a": {"b": 1}}),
        ({"a": [{"x": 0}, {"y": 0}]}, "/a/1/y", {"a": [{"x": 0}, {"y": 1}]}),
        ({}, "/io.x~1y/~0z", {"io.x/y": {"~z": 1}}),
    ],
)
def test_pointer(data: Any, pointer: str, result: Any) -> None:
    """A value is set at a JSON pointer (RFC 6901); missing mappings are created."""
    assert config_files.with_value(data, pointer, 1) == result


@pytest.mark.parametrize(
    ("data", "pointer"), [({"a": [1]}, "/a/1"), ({"a": [1]}, "/a/x"), ({"a": "text"}, "/a/b")]
)
def test_invalid_pointer(data: Any, pointer: str) -> None:
    """A pointer never extends a list or replaces a scalar by a mapping."""
    with pytest.raises(ValueError, match="cannot set"):
        config_files.with_value(data, pointer, 1)


def test_formats() -> None:
    """Parsers of JSON, TOML and YAML read the same data back."""
    data = {"a": {"b c": [1, 2]}, "d": True}
    assert json.loads(config_files.text(data, "json")) == data
    assert tomllib.loads(config_files.text(data, "toml")) == data
    assert config_files.base("x.toml", "a = 1") == {"a": 1}
    assert config_files.base("x.yaml", "a: 1") == {"a": 1}
    with pytest.raises(ValueError, match="not a mapping"):
        config_files.base("x.yaml", "- a")
