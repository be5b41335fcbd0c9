# SPDX-License-Identifier: Apache-2.0
"""What the tests of a run came to, as JSON lines: written as each test ends, read again later.

The first line is the header, the last the footer; between them is one line a test. A run that was
killed has no footer and perhaps half a line at its end; all before that is read even so.
"""

import dataclasses
import json
import os
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from conformance.facts.serialization import from_plain

FORMAT = 1
PASSED, FAILED, ERROR, SKIPPED = "passed", "failed", "error", "skipped"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One test's end.

    test: module and name with its parameters. check: the name alone. asserts: what it is about.
    nodes: that it is about, or that its failure names. start: seconds since the epoch. seconds: its
    own time; setup: what it waited for before, such as the facts. properties: what it noted of
    itself (`record_property`); "warning" is something to look at that is no failure. code: the
    `conformance.codes.Code` of a failure, '' if it has none.
    """

    test: str
    check: str
    layer: str
    outcome: str
    seconds: float
    headline: str = ""
    detail: str = ""
    nodes: list[str] = field(default_factory=list)
    detects: list[str] = field(default_factory=list)
    asserts: str = ""
    start: float = 0.0
    setup: float = 0.0
    properties: dict[str, str] = field(default_factory=dict)
    code: str = ""

    @property
    def name(self) -> str:
        """The check and its parameters: the same after the check has moved to another module."""
        return self.test.partition("::")[2] or self.test


@dataclass(frozen=True)
class Recording:
    """A results file. `footer` is empty if the run was killed before its end.

    cluster: `report.cluster.Overview`, if the facts were collected.
    """

    header: dict[str, Any]
    results: list[Result]
    footer: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] | None = None


class ResultsError(ValueError):
    """Not a results file of a format that this suite reads. The message says what and where."""


class Writer:
    """Appends lines to a file, each at once and whole."""

    def __init__(self, path: Path) -> None:
        """Begin the file anew."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, line: Result | dict[str, Any]) -> None:
        """One more line."""
        plain = dataclasses.asdict(line) if isinstance(line, Result) else line
        os.write(self._file, (json.dumps(plain) + "\n").encode())

    def close(self) -> None:
        """No more lines."""
        os.close(self._file)


def parse(text: str) -> Recording:
    """The recording in the text of a results file.

    Raises:
        ResultsError: if it is none; half a line at the end is no error.
    """
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        del lines[-1]
    try:
        plain = [json.loads(line) for line in lines if line.strip()]
        if not plain or plain[0].get("format") != FORMAT:
            raise ResultsError(f"not a results file of format {FORMAT}; make one with --results")
        results = [from_plain(Result, line) for line in plain[1:] if "test" in line]
        footer = plain[-1] if "ended" in plain[-1] else {}
        cluster = next((line["cluster"] for line in plain if "cluster" in line), None)
    except (ValueError, TypeError, AttributeError) as problem:
        raise ResultsError(str(problem)) from None
    return Recording(plain[0], typing.cast("list[Result]", results), footer, cluster)


def read(path: Path) -> Recording:
    """The recording in a results file.

    Raises:
        ResultsError: if it cannot be read, or is none.
    """
    try:
        return parse(path.read_text())
    except (OSError, ValueError) as problem:
        raise ResultsError(f"{path}: {problem}") from None
