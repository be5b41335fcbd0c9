# SPDX-License-Identifier: Apache-2.0
"""Tests of the YAML parser: values, positions, rejected input."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from heatgen.yamlio import document
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Position, ProblemsFound, report


def problems_of(raw: bytes) -> list[str]:
    """Return the problems of a text, each as ``line:column code``."""
    with pytest.raises(ProblemsFound) as found:
        document.parse("f.yaml", raw)
    return [
        f"{problem.position.line}:{problem.position.column} {problem.code}"
        if problem.position
        else f"- {problem.code}"
        for problem in found.value.problems
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a", "a"),
        ("'1'", "1"),
        ("7", 7),
        ("-7", -7),
        ("007", "007"),
        ("0o7", "0o7"),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        ("1.37.2", "1.37.2"),
        ("1e3", "1e3"),
        (".inf", ".inf"),
        ("9" * 5000, "9" * 5000),
        ("true", True),
        ("yes", "yes"),
        ("on", "on"),
        ("~", None),
        ("null", None),
        ("2026-11-23", "2026-11-23"),
        ("12:30:00", "12:30:00"),
        ("!!str 5", "5"),
        ("[1, a, []]", [1, "a", []]),
        ("{1: a, true: b}", {"1": "a", "true": "b"}),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("", None),
        ("# nothing", None),
    ],
)
def test_values(text: str, value: object) -> None:
    """Only clear numbers, booleans and nulls are converted; other scalars remain strings."""
    assert document.parse("f.yaml", f"k: {text}\n".encode()).data == {"k": value}


@pytest.mark.parametrize(
    ("raw", "problems"),
    [
        (b"a: 1\nb: 2\na: 3\n", ["3:1 duplicate-key"]),
        (b"a:\n\tb: 1\n", ["2:1 yaml-syntax"]),
        (b"a: [1\n", ["1:4 yaml-syntax"]),
        (b"a: 1\n---\nb: 2\n", ["2:1 unsupported-yaml"]),
        (b"a: \xe9\n", ["1:4 invalid-encoding"]),
        (b"a: &x [1]\nb: *x\n", ["2:4 unsupported-yaml"]),
        (b"a: &x b\n*x : 1\n*x : [2]\n", ["2:1 unsupported-yaml", "3:1 unsupported-yaml"]),
        (b"a:\n  <<: {b: 1}\n", ["2:3 unsupported-yaml"]),
        (b"a: !x:os.system {}\n", ["1:4 unsupported-yaml"]),
        (b"? [a]\n: b\n", ["1:3 unsupported-yaml"]),
        (b"a: !\x40:\n", ["1:4 unsupported-yaml"]),
        (b"a: \x07\n", ["1:4 invalid-encoding"]),
        (b"[" * 60 + b"]" * 60, ["1:51 nesting-too-deep"]),
        (b"x" * (1024 * 1024 + 1), ["- file-too-large"]),
    ],
)  # fmt: skip
def test_rejected(raw: bytes, problems: list[str]) -> None:
    """Unsupported or invalid YAML is rejected with its position and code."""
    assert problems_of(raw) == problems


def test_all_problems_are_reported() -> None:
    """Parsing continues after a duplicate key."""
    assert problems_of(b"a: 1\na: 2\nb: 1\nb: 2\n") == ["2:1 duplicate-key", "4:1 duplicate-key"]


def test_duplicate_key_names_both_lines() -> None:
    """A duplicate key is reported with both lines."""
    with pytest.raises(ProblemsFound) as found:
        document.parse("f.yaml", b"# a comment\na: 1\nb: 2\na: 3\n")
    (problem,) = found.value.problems
    assert problem.position == Position(4, 1)
    assert "line 2" in problem.message


def test_positions() -> None:
    """Keys and values have positions; a missing path has that of its parent."""
    parsed = document.parse("f.yaml", b"a:\n  b: [x, yy]\n")
    problem = parsed.problem(("a", "b", 1), "m", code=Code.MISSING_KEY)
    assert problem.position is not None
    assert (problem.position.line, problem.position.column, problem.position.width) == (2, 10, 2)
    missing = parsed.problem(("a", "c", "d"), "m", key=True, code=Code.MISSING_KEY).position
    assert missing is not None
    assert (missing.line, missing.column) == (1, 1)


def test_byte_order_mark() -> None:
    """A byte order mark is not part of the first key."""
    assert document.parse("f.yaml", b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


def test_renamed_key() -> None:
    """A renamed key has its former value, order, positions and source texts."""
    parsed = document.parse("f.yaml", b"x: 1\nold: {k: 1.10}\nz: [2]\n")
    renamed = document.with_renamed_key(parsed, "old", "new")
    assert list(renamed.data.items()) == [("x", 1), ("new", {"k": 1.1}), ("z", [2])]
    assert renamed.keys["new",] == parsed.keys["old",] == Position(2, 1, 3)
    assert renamed.values["new", "k"] == parsed.values["old", "k"]
    assert renamed.written["new", "k"] == "1.10"
    for table in (renamed.keys, renamed.values, renamed.written):
        assert not [path for path in table if path[:1] == ("old",)]
    assert renamed.values["z", 0] == parsed.values["z", 0]
    assert parsed.data == {"x": 1, "old": {"k": 1.1}, "z": [2]}
    assert renamed.text == parsed.text


@pytest.mark.parametrize("raw", [b"x: 1\n", b"old: 1\nnew: 2\n", b"- old\n", b"old\n", b""])
def test_key_is_not_renamed(raw: bytes) -> None:
    """A document without the old key, or with both keys, is returned unchanged."""
    parsed = document.parse("f.yaml", raw)
    assert document.with_renamed_key(parsed, "old", "new") is parsed


@given(st.binary(max_size=200))
def test_arbitrary_bytes(raw: bytes) -> None:
    """Any bytes result in a document or in a report."""
    try:
        document.parse("f.yaml", raw)
    except ProblemsFound as found:
        report(found.problems, found.sources)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"# \n\t,?%@`1.~", max_size=60))
def test_arbitrary_yaml_like_text(text: str) -> None:
    """Any text of YAML's special characters results in a document or in a report."""
    try:
        document.parse("f.yaml", text.encode())
    except ProblemsFound as found:
        report(found.problems, found.sources)


# JSON writes characters outside the Basic Multilingual Plane as two escapes, YAML as one.
TEXT = st.text(st.characters(max_codepoint=0xD7FF), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(VALUES)
def test_json(value: object) -> None:
    """JSON is valid YAML and has the same value."""
    text = json.dumps(value)
    assert document.parse("f.json", text.encode()).data == value
    assert yaml.safe_load(text) == value
