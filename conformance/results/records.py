# SPDX-License-Identifier: Apache-2.0
"""Results of a run as JSON lines, written as each test ends.

The first line is the header, the last the footer; between them is one line per test. A killed run
has no footer, and its last line may be incomplete; all earlier lines are readable.
"""

import dataclasses
import json
import os
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from conformance.facts.serialization import from_plain
from conformance.results import renamed

FORMAT = 1
PASSED, FAILED, ERROR, SKIPPED = "passed", "failed", "error", "skipped"

# Notes in the footer start with these; reports look for them.
LEFT_BEHIND = "LEFT BEHIND"
NOT_EVALUATED = "no test was evaluated: all selected tests were skipped"


@dataclass(frozen=True, kw_only=True)
class Result:
    """Result of one test."""

    test: str
    """Module and name with parameters."""
    check: str
    """Name without parameters."""
    layer: str
    outcome: str
    seconds: float
    """Duration without setup."""
    headline: str = ""
    detail: str = ""
    nodes: list[str] = field(default_factory=list)
    """Nodes that the test is about or that its failure names."""
    detects: list[str] = field(default_factory=list)
    asserts: str = ""
    """The first line of the docstring of the test."""
    start: float = 0.0
    """Seconds since the epoch."""
    setup: float = 0.0
    """Seconds for setup, for example to collect the facts."""
    properties: dict[str, str] = field(default_factory=dict)
    """Values of ``record_property``; reports show ``warning`` as a value to look at."""
    code: str = ""
    """The ``conformance.codes.Code`` of a failure; empty for other outcomes."""

    @property
    def name(self) -> str:
        """The check with parameters; the same after the check has moved to another module."""
        return self.test.partition("::")[2] or self.test


@dataclass(frozen=True)
class Recording:
    """Contents of a results file."""

    header: dict[str, Any]
    results: list[Result]
    footer: dict[str, Any] = field(default_factory=dict)
    """Empty if the run was killed."""
    cluster: dict[str, Any] | None = None
    """``report.cluster.Overview``, if the facts were collected."""


class ResultsError(ValueError):
    """The file is not a results file of a supported format. The message has the reason."""


class Writer:
    """Appends lines to a file, each with a single write."""

    def __init__(self, path: Path) -> None:
        """Open and truncate the file."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, line: Result | dict[str, Any]) -> None:
        """Append a line."""
        plain = dataclasses.asdict(line) if isinstance(line, Result) else line
        os.write(self._file, (json.dumps(plain) + "\n").encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def parse(text: str) -> Recording:
    """Parse the text of a results file; an incomplete last line is ignored.

    Raises:
        ResultsError: if the text is not a results file.
    """
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        del lines[-1]
    try:
        plain = [json.loads(line) for line in lines if line.strip()]
        if not plain or plain[0].get("format") != FORMAT:
            raise ResultsError(f"not a results file of format {FORMAT}; create one with --results")
        results = [
            from_plain(Result, renamed.in_result(line)) for line in plain[1:] if "test" in line
        ]
        footer = plain[-1] if "ended" in plain[-1] else {}
        cluster = next((line["cluster"] for line in plain if "cluster" in line), None)
    except (ValueError, TypeError, AttributeError) as problem:
        raise ResultsError(str(problem)) from None
    return Recording(plain[0], typing.cast("list[Result]", results), footer, cluster)


def read(path: Path) -> Recording:
    """Read a results file.

    Raises:
        ResultsError: if it cannot be read or is not a results file.
    """
    try:
        return parse(path.read_text())
    except (OSError, ValueError) as problem:
        raise ResultsError(f"{path}: {problem}") from None
