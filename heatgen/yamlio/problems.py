# SPDX-License-Identifier: Apache-2.0
"""Problems of an input, each with a position, message and hint, and the report of all of them.

Library code never prints and never exits: it returns problems or raises :class:`ProblemsFound`.
The report follows butane's format: position, message, source line with carets, hint. It escapes
control characters, and neither shows nor quotes what may be a secret: reports end up in CI logs.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from heatgen.yamlio.codes import Code
from heatgen.yamlio.text import escaped, lines, masked, may_be_secret, secret_lines

MAX_LISTED = 40
"""Known words that a hint lists."""
MAX_QUOTE = 160
"""Characters of a source line that a report quotes."""


@dataclass(frozen=True, order=True)
class Position:
    """A position in a text: line and column count from 1, width in characters."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True)
class Problem:
    """One problem: what is wrong (``message``) and what to do (``hint``)."""

    file: str
    position: Position | None
    message: str
    hint: str = ""
    code: Code = field(kw_only=True)
    sensitive: bool = field(default=False, kw_only=True)
    """The value at the position may be a secret: its line is not quoted."""

    def sort_key(self) -> tuple[str, int, int, str]:
        """Return the key by which a report is sorted: file, position, message."""
        position = self.position or Position(0, 0)
        return (self.file, position.line, position.column, self.message)


class ProblemsFound(Exception):
    """The input is invalid; ``problems`` lists every reason.

    Args:
        problems: in any order.
        sources: file names to texts, from which the report quotes lines.
    """

    def __init__(
        self, problems: Iterable[Problem], sources: Mapping[str, str] | None = None
    ) -> None:
        self.problems = tuple(sorted(set(problems), key=Problem.sort_key))
        self.sources = dict(sources or {})
        super().__init__("\n".join(problem.message for problem in self.problems))


class Failed(ProblemsFound):
    """The input is valid, but the operation failed, for example because no source responds."""


def report(problems: Iterable[Problem], sources: Mapping[str, str], severity: str = "error") -> str:
    """Return the problems as text for a terminal, one block each, sorted by file and position."""
    quotes = {name: _Source(text) for name, text in sources.items()}
    return "\n".join(
        _block(problem, quotes.get(problem.file), severity)
        for problem in sorted(set(problems), key=Problem.sort_key)
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint with the most similar known word, else with all of a few words, else ''."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"use one of: {', '.join(words)}" if 0 < len(words) <= MAX_LISTED else ""


class _Source:
    """The lines of a file that a report can quote."""

    def __init__(self, text: str) -> None:
        self.lines = lines(text)
        self.secret = secret_lines(self.lines)

    def quote(self, position: Position) -> list[str]:
        """Return the line of a position with carets below, unless it may contain a secret."""
        if not 0 < position.line <= len(self.lines):
            return []
        line = self.lines[position.line - 1].replace("\t", " ")
        if position.line - 1 in self.secret or may_be_secret(line):
            return []
        if not line and position.line == len(self.lines):
            return []
        number = f"{position.line:4d}"
        # Quote only the part of a long line around the position.
        start = max(0, position.column - 1 - MAX_QUOTE // 2) if len(line) > MAX_QUOTE else 0
        line, column = line[start : start + MAX_QUOTE], position.column - 1 - start
        before, marked = line[:column], line[column : column + position.width]
        indent = " " * (len(escaped(before)) + max(0, column - len(before)))
        carets = indent + "^" * max(1, len(escaped(marked)))
        return [f"{number} | {escaped(line)}", f"{' ' * len(number)} | {carets}"]


def _block(problem: Problem, source: _Source | None, severity: str) -> str:
    """Return the text of one problem: headline, quoted source line with carets, hint."""
    where = problem.file
    quote: list[str] = []
    if problem.position is not None:
        where += f":{problem.position.line}:{problem.position.column}"
        if source is not None and not problem.sensitive:
            quote = source.quote(problem.position)
    headline = f"{where}: {severity}[{problem.code}]: {problem.message}"
    hint = [f"  hint: {printable(problem.hint)}"] if problem.hint else []
    return "\n".join([printable(headline), *quote, *hint])


def printable(text: str) -> str:
    """Return a message without control characters and secrets."""
    return escaped(masked(text))
