# SPDX-License-Identifier: Apache-2.0
"""Tests of the report of problems."""

import re

from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Position, Problem, did_you_mean, report


def test_report_format() -> None:
    """A block has the position, the code, the source line, carets and the hint."""
    problems = [
        Problem("b.yaml", None, "message b", "hint b", code=Code.MISSING_KEY),
        Problem("a.yaml", Position(2, 4, 3), "message a", code=Code.WRONG_TYPE),
    ]
    assert report(problems, {"a.yaml": "x: 1\ny: yes\n"}) == (
        "a.yaml:2:4: error[wrong-type]: message a\n"
        "   2 | y: yes\n"
        "     |    ^^^\n"
        "b.yaml: error[missing-key]: message b\n"
        "  hint: hint b"
    )


def test_report_severity() -> None:
    """A warning differs from an error in the severity only."""
    problem = Problem("a", None, "m", code=Code.DEPRECATED_NAME)
    assert report([problem], {}, "warning") == "a: warning[deprecated-name]: m"


def test_report_without_source() -> None:
    """Without the source text the report has no quote."""
    problem = Problem("a", Position(9, 1), "m", code=Code.WRONG_TYPE)
    assert report([problem], {}) == "a:9:1: error[wrong-type]: m"


def test_report_removes_duplicates() -> None:
    """Equal problems are reported once."""
    assert len(report([Problem("a", None, "m", code=Code.WRONG_TYPE)] * 2, {}).splitlines()) == 1


def test_did_you_mean() -> None:
    """The hint names the most similar word, else all words, else it is empty."""
    assert did_you_mean("flavour", ["flavor", "image"]) == "did you mean 'flavor'?"
    assert did_you_mean("zzz", ["b", "a"]).endswith(": a, b")
    assert did_you_mean("zzz", []) == ""


def test_codes() -> None:
    """Codes are unique, in kebab case, and have one sentence as description."""
    assert len(Code) == len(Code.__members__)
    for code in Code:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
        assert code.name == code.replace("-", "_").upper()
        assert re.fullmatch(r"[A-Z].*\.", code.description)


def test_report_shortens_long_lines() -> None:
    """Of a long line only the part around the position is quoted, with the caret below it."""
    text = "x " * 2500 + "!" + "x " * 2500
    quoted = report(
        [Problem("a", Position(1, 5001), "m", code=Code.MISSING_KEY)], {"a": text}
    ).splitlines()
    assert max(map(len, quoted)) < 200
    assert quoted[1][quoted[2].index("^")] == "!"


def test_control_characters_are_escaped() -> None:
    """A hostile file cannot write to the terminal of its reader; the carets remain in place."""
    text = "a\x1b[2Jb: 1 # \x1b]0;x\x07"
    problem = Problem("f\x1b", Position(1, 6, 1), "m\x9b\n", "h\x00", code=Code.UNKNOWN_KEY)
    shown = report([problem], {"f\x1b": text})
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)
    headline, line, carets, hint = shown.splitlines()
    assert headline == r"f\x1b:1:6: error[unknown-key]: m\x9b\n"
    assert line[carets.index("^")] == "b"
    assert hint == r"  hint: h\x00"


def test_secrets_are_not_quoted() -> None:
    """Lines that may contain a secret are not quoted, whatever the problem is."""
    text = (
        "p: {x: http://u:S3cr3t@p, y: 1}\nk: |\n  -----BEGIN PRIVATE KEY-----\n  S3cr3t\n  z: 1\n"
    )
    problems = [
        Problem("f", Position(1, 26), "message of http://u:S3cr3t@p", code=Code.UNKNOWN_KEY),
        Problem(
            "f", Position(4, 3), "m", "-----BEGIN PRIVATE KEY----- S3cr3t", code=Code.UNKNOWN_KEY
        ),
    ]
    shown = report(problems, {"f": text})
    assert "S3cr3t" not in shown
    assert shown.count("unknown-key") == 2


def test_sensitive_value_is_not_quoted() -> None:
    """The line of a value that may be a secret is not quoted."""
    problem = Problem("f", Position(1, 4), "m", code=Code.INVALID_FORMAT, sensitive=True)
    assert "abc" not in report([problem], {"f": "k: abc"})
