# SPDX-License-Identifier: Apache-2.0
"""Reports that people read."""

from heatgen.yamlio.problems import Position, Problem, did_you_mean, report


def test_report_quotes_and_points() -> None:
    """Place, source line, carets under what is wrong, the fix."""
    problems = [
        Problem("b.yaml", None, "is missing", "make it"),
        Problem("a.yaml", Position(2, 4, 3), "must be text"),
    ]
    assert report(problems, {"a.yaml": "x: 1\ny: yes\n"}) == (
        "a.yaml:2:4: error: must be text\n"
        "   2 | y: yes\n"
        "     |    ^^^\n"
        "b.yaml: error: is missing\n"
        "  hint: make it"
    )


def test_report_without_source() -> None:
    """A place outside the text known here is told without a quote."""
    assert report([Problem("a", Position(9, 1), "m")], {}) == "a:9:1: error: m"


def test_report_tells_once() -> None:
    """The same problem is told once."""
    assert report([Problem("a", None, "m")] * 2, {}).count("m") == 1


def test_did_you_mean() -> None:
    """The nearest word, else all of them, else nothing."""
    assert did_you_mean("flavour", ["flavor", "image"]) == "did you mean 'flavor'?"
    assert did_you_mean("zzz", ["b", "a"]) == "known here: a, b"
    assert did_you_mean("zzz", []) == ""


def test_report_quotes_little_of_a_long_line() -> None:
    """Of a line without end only what stands around the place, the caret still under it."""
    text = "x" * 5000 + "!" + "x" * 5000
    quoted = report([Problem("a", Position(1, 5001), "m")], {"a": text}).splitlines()
    assert max(map(len, quoted)) < 200
    assert quoted[1][quoted[2].index("^")] == "!"
