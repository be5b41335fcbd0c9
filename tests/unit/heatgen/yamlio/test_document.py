# SPDX-License-Identifier: Apache-2.0
"""YAML with places: what is read, what is refused, and that nothing else can happen."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from heatgen.yamlio import document
from heatgen.yamlio.problems import ProblemsFound, report


def refused(raw: bytes) -> str:
    """The problems of a text as ``line:column message``, one a line."""
    with pytest.raises(ProblemsFound) as found:
        document.parse("f.yaml", raw)
    lines = []
    for problem in found.value.problems:
        place = f"{problem.position.line}:{problem.position.column}" if problem.position else "-"
        lines.append(f"{place} {problem.message}")
    return "\n".join(lines)


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
    """Only what is clearly a number, truth value or null is one; the rest is text."""
    assert document.parse("f.yaml", f"k: {text}\n".encode()).data == {"k": value}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a: 1\nb: 2\na: 3\n", "3:1 the key 'a' is there twice, first in line 1"),
        (b"a:\n\tb: 1\n", "2:1 YAML does not allow tabs for indentation"),
        (b"a: 1\n---\nb: 2\n", "2:1 holds several documents"),
        (b"a: \xe9\n", "1:4 is not UTF-8 (byte 0xe9)"),
        (b"a: &x [1]\nb: *x\n", "2:4 anchors and aliases are not read"),
        (b"a: &x b\n*x : 1\n*x : [2]\n", "2:1 anchors and aliases are not read\n"
                                       "3:1 anchors and aliases are not read"),
        (b"a: !x:os.system {}\n", "1:4 the tag '!x:os.system' is not read"),
        (b"? [a]\n: b\n", "1:3 a key must be text"),
        (b"a: !\x40:\n", "1:4 the tag '!@:' is not read"),
        (b"a: \x07\n", "1:4 the character U+0007 is not allowed in YAML"),
        (b"[" * 60 + b"]" * 60, "1:51 is nested more than 50 levels deep"),
        (b"x" * (1024 * 1024 + 1), "- is larger than 1048576 bytes"),
    ],
)  # fmt: skip
def test_refused(raw: bytes, message: str) -> None:
    """What surprises, or cannot be read, is refused with its place."""
    assert refused(raw) == message


def test_problems_come_together() -> None:
    """Two faults are told at once."""
    assert len(refused(b"a: 1\na: 2\nb: 1\nb: 2\n").splitlines()) == 2


def test_places() -> None:
    """Keys and values know where they stand; what is not there points to its parent."""
    parsed = document.parse("f.yaml", b"a:\n  b: [x, yy]\n")
    problem = parsed.problem(("a", "b", 1), "m")
    assert problem.position is not None
    assert (problem.position.line, problem.position.column, problem.position.width) == (2, 10, 2)
    missing = parsed.problem(("a", "c", "d"), "m", key=True).position
    assert missing is not None
    assert (missing.line, missing.column) == (1, 1)


def test_byte_order_mark() -> None:
    """A byte order mark is no part of the first key."""
    assert document.parse("f.yaml", b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


@given(st.binary(max_size=200))
def test_bytes_never_break_it(raw: bytes) -> None:
    """Whatever the bytes, there is a document or a report."""
    try:
        document.parse("f.yaml", raw)
    except ProblemsFound as found:
        report(found.problems, found.sources)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"# \n\t,?%@`1.~", max_size=60))
def test_yaml_like_text_never_breaks_it(text: str) -> None:
    """The same for texts that look like YAML."""
    try:
        document.parse("f.yaml", text.encode())
    except ProblemsFound as found:
        report(found.problems, found.sources)


# JSON writes characters beyond the first plane as two escapes, which YAML does not know.
TEXT = st.text(st.characters(max_codepoint=0xD7FF), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(VALUES)
def test_json_is_read(value: object) -> None:
    """JSON is YAML: every value comes back."""
    text = json.dumps(value)
    assert document.parse("f.json", text.encode()).data == value
    assert yaml.safe_load(text) == value
