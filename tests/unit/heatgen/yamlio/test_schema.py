# SPDX-License-Identifier: Apache-2.0
"""Tests of the validation against schemas."""

from typing import Any

import pytest

from heatgen.yamlio import document, schema
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Position, Problem


def check(text: str, part: dict[str, Any]) -> list[Problem]:
    """Return the problems of the key ``a`` of a file."""
    parsed = document.parse("f.yaml", text.encode())
    return schema.check(parsed, {"type": "object", "properties": {"a": part}})


@pytest.mark.parametrize("pattern", ["^a$", "a$", "^(a|b)$", r"^[$a]$", r"^a\Z"])
def test_end_of_pattern(pattern: str) -> None:
    """``$`` is the end of the text, not of its last line."""
    part = {"type": "string", "pattern": pattern, "multiline": True}
    assert check("a: a", part) == []
    [problem] = check('a: "a\\n"', part)
    assert problem.code == Code.INVALID_FORMAT


def test_dollar_in_class() -> None:
    r"""``$`` in a class, and ``\$``, are dollar signs."""
    part = {"type": "string", "pattern": r"^[$]\$[^$]$"}
    assert check("a: $$x", part) == []
    assert check("a: $$$", part)


def test_control_characters() -> None:
    """Keys and values are one line without control characters; each has one problem."""
    part = {"type": "object", "additionalProperties": {"type": "string", "pattern": "^x$"}}
    problems = check('a: {"k\\n": x, l: "x\\n", m: "\\x1b"}', part)
    assert [(item.code, item.position) for item in problems] == [
        (Code.CONTROL_CHARACTER, Position(1, 5, 5)),
        (Code.CONTROL_CHARACTER, Position(1, 18, 5)),
        (Code.CONTROL_CHARACTER, Position(1, 28, 6)),
    ]


def test_multiline() -> None:
    """Where several lines are expected, line feeds are accepted below, too."""
    part = {"type": "object", "multiline": True}
    assert check('a: {b: ["c\\nd"]}', part) == []
    assert check('a: {b: ["c\\rd"]}', part)
    assert check('a: {"b\\nc": d}', part)


@pytest.mark.parametrize("text", ["a: http://x:S3cr3t", "a: [S3cr3t]", "a: 12"])
def test_sensitive(text: str) -> None:
    """Neither the message nor the quote has a value that may be a secret."""
    [problem] = check(text, {"type": "string", "format": "proxy-url", "sensitive": True})
    assert problem.sensitive
    assert "S3cr3t" not in problem.message + problem.hint
    assert "12" not in problem.message + problem.hint


@pytest.mark.parametrize(
    ("text", "part", "right"),
    [
        ("a: v1.2", {"type": "string", "pattern": r"^[0-9.]+$"}, "write '1.2'"),
        ("a: Ab_c", {"type": "string", "pattern": "^[a-z-]+$"}, "write ab-c"),
        ("a: 1.10", {"type": "string"}, "put it in quotes: '1.10'"),
        ("a: '3'", {"type": "integer"}, "write 3 without quotes"),
        ("a: [x]", {"type": "string"}, "write x without brackets"),
        ("a: x", {"type": "array", "items": {"type": "string"}}, "write a list: [x]"),
        ("a: 1.2.3.4", {"type": "array", "items": {"format": "cidr"}}, "[1.2.3.4/32]"),
        (
            "a: 3",
            {"type": "object", "shorthand": "n", "properties": {"n": {"type": "integer"}}},
            "write 'a: {n: 3}'",
        ),
        ("a: {}", {"type": "string", "hint": "write K=V"}, "write K=V"),
        ("a: 1.2", {"type": "string", "pattern": "^x$", "rule": "must be x"}, "must be x"),
    ],
)
def test_right_form(text: str, part: dict[str, Any], right: str) -> None:
    """The hint shows the value as the schema accepts it."""
    [problem] = check(text, part)
    assert right in problem.hint


def test_useless_suggestions() -> None:
    """A hint that would lead to the next problem is not given."""
    part = {"type": "object", "shorthand": "n", "properties": {"n": {"type": "integer"}}}
    assert check("a: x", part)[0].hint == ""
    assert check("a: x", {"type": "string", "pattern": "^[0-9]$", "rule": "r"})[0].hint == ""


@pytest.mark.parametrize(
    ("value", "part", "code"),
    [
        ("''", {"minLength": 1}, Code.INVALID_LENGTH),
        ("abc", {"maxLength": 2}, Code.INVALID_LENGTH),
        ("[1]", {"minItems": 2}, Code.INVALID_LENGTH),
        ("[1, 2]", {"maxItems": 1}, Code.INVALID_LENGTH),
        ("{}", {"minProperties": 1}, Code.INVALID_LENGTH),
        ("{b: 1, c: 1}", {"maxProperties": 1}, Code.INVALID_LENGTH),
        ("[1, 1]", {"uniqueItems": True}, Code.DUPLICATE_ITEM),
        ("1", {"const": 2}, Code.VALUE_NOT_ALLOWED),
        ("1", {"minimum": 2}, Code.OUT_OF_RANGE),
        ("3", {"maximum": 2}, Code.OUT_OF_RANGE),
        ("3", {"multipleOf": 2}, Code.SCHEMA_VIOLATION),
        ("3", {"not": {"type": "integer"}}, Code.SCHEMA_VIOLATION),
        ("3", {"exclusiveMaximum": 3}, Code.SCHEMA_VIOLATION),
    ],
)
def test_own_words(value: str, part: dict[str, Any], code: Code) -> None:
    """Every keyword has a message of heatgen's own, which begins with the key."""
    [problem] = check(f"a: {value}", part)
    assert problem.code == code
    assert problem.message.startswith("a")
    for words in ("is too", "non-unique", "should be", "was expected", "does not have enough"):
        assert words not in problem.message


def test_place_of_duplicates_and_keys() -> None:
    """Duplicates and invalid keys are reported at their own place."""
    [problem] = check("a: [x, y, x]", {"type": "array", "uniqueItems": True})
    assert problem.position == Position(1, 11, 1)
    [problem] = check("a: {b: 1, C: 2}", {"propertyNames": {"pattern": "^[a-z]$"}})
    assert problem.position == Position(1, 11, 1)


def test_references() -> None:
    """Suggestions use parts that refer to definitions."""
    parsed = document.parse("f", b"a: 4")
    whole = {
        "properties": {
            "a": {
                "type": "object",
                "shorthand": "n",
                "properties": {"n": {"$ref": "#/$defs/number"}},
            }
        },
        "$defs": {"number": {"type": "integer"}},
    }
    assert schema.check(parsed, whole)[0].hint == "write 'a: {n: 4}'"
