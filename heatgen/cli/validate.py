# SPDX-License-Identifier: Apache-2.0
"""``heatgen validate``."""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatgen.cli.base import (
    DONE,
    INVALID,
    Command,
    notices,
    print_deprecations,
    print_message,
    write_output,
)
from heatgen.yamlio.problems import Problem, ProblemsFound, printable, report

if TYPE_CHECKING:
    from heatgen.blocks.catalog import Catalog

STDIN = "-"
_STDIN_NAME = Path("<stdin>")


@dataclass(frozen=True)
class _Result:
    """Result of one file."""

    path: Path
    name: str = ""
    """Name of the cluster."""
    notes: tuple[str, ...] = ()
    catalog: "Catalog | None" = None
    found: ProblemsFound | None = None
    """The problems, if the file is not valid."""


class Validate(Command):
    """Validate files of clusters, and report all problems at once."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return the parser of the command's arguments."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "clusters",
            type=Path,
            nargs="+",
            metavar="CLUSTER.YAML",
            help="file of a cluster; - for standard input",
        )
        parser.add_argument(
            "-f",
            "--format",
            choices=("text", "json"),
            default="text",
            dest="form",
            help="json: a list of problems on standard output (default: %(default)s)",
        )
        parser.add_argument(
            "--strict", action="store_true", help="exit with 2 also if there are only notes"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Validate the files."""
        results = [_validate(path) for path in parsed_args.clusters]
        if parsed_args.form == "json":
            rows = [row for result in results for row in _rows(result)]
            write_output(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
        else:
            for result in results:
                _print(result)
            catalog = next((result.catalog for result in results if result.catalog), None)
            if catalog is not None:
                print_deprecations(catalog)
        bad = any(result.found or (parsed_args.strict and result.notes) for result in results)
        return INVALID if bad else DONE


def _validate(path: Path) -> _Result:
    # Imported here to keep the start of commands fast.
    from heatgen.project import project

    content = None
    if str(path) == STDIN:
        path, content = _STDIN_NAME, sys.stdin.buffer.read()
    try:
        cluster = project.load(path, content)
        project.check(cluster)
    except ProblemsFound as found:
        return _Result(path, found=found)
    return _Result(path, cluster.spec.name, tuple(notices(cluster)), cluster.catalog)


def _print(result: _Result) -> None:
    """Print a result as text."""
    if result.found:
        print_message(report(result.found.problems, result.found.sources))
        return
    for note in result.notes:
        print_message(f"note: {note}")
    print_message(f"{result.path}: cluster {result.name} is valid")


def _rows(result: _Result) -> list[dict[str, Any]]:
    """Return the problems and notes of a result, for programs."""
    if result.found:
        return [_row(problem, "error") for problem in result.found.problems]
    notes = [
        {"file": str(result.path), "line": None, "column": None, "severity": "note",
         "code": None, "message": printable(note), "hint": ""}
        for note in result.notes
    ]  # fmt: skip
    warnings = result.catalog.deprecations() if result.catalog else []
    return [*(_row(problem, "warning") for problem in warnings), *notes]


def _row(problem: Problem, severity: str) -> dict[str, Any]:
    place = problem.position
    return {
        "file": printable(problem.file),
        "line": place.line if place else None,
        "column": place.column if place else None,
        "severity": severity,
        "code": str(problem.code),
        "message": printable(problem.message),
        "hint": printable(problem.hint),
    }
