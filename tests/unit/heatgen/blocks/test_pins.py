# SPDX-License-Identifier: Apache-2.0
"""Tests of the lock file's parser and writer."""

from pathlib import Path

import pytest

from heatgen.blocks import pins
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Position, Problem, ProblemsFound

URL = "https://example.org/tool"
SHA256 = "a" * 64
OLD = f"version: 1\nartefacts:\n  {URL}: {SHA256}\nimages: {{}}\n"
"""A lock of heatgen 0.1."""
RELEASED = Path(__file__).resolve().parents[3] / "golden" / "released" / "0.1.0"


def problems_of(raw: bytes) -> list[Problem]:
    """Return the problems of a lock file."""
    with pytest.raises(ProblemsFound) as found:
        pins.read("lock", raw)
    return list(found.value.problems)


def test_lock_of_0_1() -> None:
    """A lock with ``artefacts:`` is read; it is written with ``artifacts:``."""
    read = pins.read("lock", OLD.encode())
    assert read == pins.Pins({URL: SHA256}, {}, "lock")
    assert "\nartifacts:\n" in pins.write(read)
    assert pins.read("lock", pins.write(read).encode()) == read


@pytest.mark.parametrize(
    "path", sorted(RELEASED.glob("*/*.lock.yaml")), ids=lambda p: p.parent.name
)
def test_released_locks(path: Path) -> None:
    """Locks that heatgen 0.1 wrote have artifacts and images."""
    raw = path.read_bytes()
    assert b"artefacts:" in raw
    read = pins.read(path.name, raw)
    assert read.artifacts
    assert read.images


def test_problem_in_a_lock_of_0_1() -> None:
    """A problem with a pin has the position of its key, in a lock of heatgen 0.1 as well."""
    problem = pins.read("lock", OLD.encode()).problem(URL, "m", "h", code=Code.WRONG_TYPE)
    assert (problem.file, problem.position) == ("lock", Position(3, 3, len(URL)))
    assert pins.Pins().problem(URL, "m", "h", code=Code.WRONG_TYPE).position is None


@pytest.mark.parametrize(
    ("raw", "problems"),
    [
        (b"", [(None, "wrong-type")]),
        (b"- a\n", [((1, 1), "wrong-type")]),
        (b"{}", [((1, 1), "missing-key")]),
        (b"artifacts: {}\n", [((1, 1), "missing-key")]),
        (b"version: x\n", [((1, 10), "value-not-allowed")]),
        (b"version: 0\n", [((1, 10), "value-not-allowed")]),
        (b"version: 1\nartifacts:\n  https://a/: abc\n", [((3, 15), "invalid-format")]),
        (b"version: 1\nimages: {a: sha256}\n", [((2, 13), "invalid-format")]),
        (b"version: 1\nartefacts: {}\nartifacts: {}\n", [((2, 1), "unknown-key")]),
        (b"version: 2\nsignatures: []\n", [((1, 10), "newer-lock")]),
    ],
)
def test_invalid_locks(raw: bytes, problems: list[tuple[object, str]]) -> None:
    """An invalid lock is reported with positions; a newer format is the only problem reported."""
    found = [
        (item.position and (item.position.line, item.position.column), item.code)
        for item in problems_of(raw)
    ]
    assert found == problems


def test_hint_for_invalid_locks() -> None:
    """The hint of every problem has the command that writes a new lock."""
    for raw in (
        b"version: 1\nartifacts:\n  https://a/: abc\n",
        b"1234",
        b"version: 1\nartifact: {}",
    ):
        (problem,) = problems_of(raw)
        assert "heatgen lock" in problem.hint


def test_line_feeds() -> None:
    """Neither a digest nor a name ends with a line feed."""
    digest = b"0a" * 32
    for entry in (b'https://a/: "%s\\n"' % digest, b'"https://a/\\n": "%s"' % digest):
        (problem,) = problems_of(b"version: 1\nartifacts:\n  " + entry)
        assert problem.code == "control-character"
