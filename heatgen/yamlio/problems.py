# SPDX-License-Identifier: Apache-2.0
"""What is wrong with an input, where, and what to do: collected first, then reported together.

Library code never prints and never exits: it returns problems or raises :class:`ProblemsFound`.
The form of the report follows butane's: place, source line, caret, rule, fix.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from heatgen.yamlio.codes import Code

MAX_QUOTE = 160
"""Characters of a source line that a report quotes."""


@dataclass(frozen=True, order=True)
class Position:
    """A place in a text: line and column count from 1, width in characters."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True)
class Problem:
    """One thing to put right: the rule that is broken (message) and the fix (hint)."""

    file: str
    position: Position | None
    message: str
    hint: str = ""
    code: Code = field(default=Code.UNSPECIFIED, kw_only=True)

    def sort_key(self) -> tuple[str, int, int, str]:
        """Order of a report: by file, then place, then text."""
        place = self.position or Position(0, 0)
        return (self.file, place.line, place.column, self.message)


class ProblemsFound(Exception):
    """The input cannot be used; ``problems`` says why, all at once.

    Args:
        problems: what was found, in any order.
        sources: texts by file name, from which the report quotes lines.
    """

    def __init__(
        self, problems: Iterable[Problem], sources: Mapping[str, str] | None = None
    ) -> None:
        self.problems = tuple(sorted(set(problems), key=Problem.sort_key))
        self.sources = dict(sources or {})
        super().__init__("\n".join(problem.message for problem in self.problems))


class Failed(ProblemsFound):
    """The input is good, but what was asked for cannot be done: no source answers, for example."""


def report(
    problems: Iterable[Problem], sources: Mapping[str, str], severity: str = "error"
) -> str:
    """Return the problems as text for a terminal, one block each, in order of file and place."""
    return "\n".join(
        _block(problem, sources, severity) for problem in sorted(set(problems), key=Problem.sort_key)
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known word, else all of them; empty if there are none."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known here: {', '.join(words)}" if words else ""


def _block(problem: Problem, sources: Mapping[str, str], severity: str) -> str:
    """One problem: headline, quoted source line with carets, hint."""
    place = problem.file
    lines = []
    if problem.position is not None:
        place += f":{problem.position.line}:{problem.position.column}"
        lines = _quote(problem.position, sources.get(problem.file, ""))
    headline = f"{place}: {severity}[{problem.code}]: {problem.message}"
    hint = [f"  hint: {problem.hint}"] if problem.hint else []
    return "\n".join([headline, *lines, *hint])


def _quote(position: Position, text: str) -> list[str]:
    """The source line of a position and carets under it; nothing if the text lacks the line."""
    lines = text.splitlines()
    if not 0 < position.line <= len(lines):
        return []
    line = lines[position.line - 1].replace("\t", " ")
    number = f"{position.line:4d}"
    # Of a long line only what stands around the place.
    start = max(0, position.column - 1 - MAX_QUOTE // 2) if len(line) > MAX_QUOTE else 0
    line, column = line[start : start + MAX_QUOTE], position.column - 1 - start
    width = max(1, min(position.width, len(line) - column))
    carets = " " * column + "^" * width
    return [f"{number} | {line}", f"{' ' * len(number)} | {carets}"]
