# SPDX-License-Identifier: Apache-2.0
"""What CI systems show of a run: GitHub's step summary, Zuul's artifacts."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from conformance.report import summary
from conformance.report.baseline import Changes
from conformance.report.html import MARKS
from conformance.results.records import Recording, Result
from conformance.soak.summary import Soak

MOST = 20  # a summary is read at a glance; the report has them all
KINDS = {
    "report": ("Conformance report", "conformance_report"),
    "junit": ("Conformance results (JUnit)", "conformance_junit"),
    "results": ("Conformance results", "conformance_results"),
    "facts": ("Facts about the cluster", "conformance_facts"),
    "history": ("History of the soak", "conformance_soak"),
}


def markdown(recording: Recording, changes: Changes | None = None, soak: Soak | None = None) -> str:
    """The run in Markdown; whatever the cluster said is text in it, and nothing else."""
    found = summary.of(recording)
    mark = MARKS[found.verdict.kind]
    lines = [f"## {mark} Conformance: {found.verdict.word}", "", escaped(found.verdict.why), ""]
    lines += [
        "| layer | passed | failed | unasked | skipped | seconds |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for layer in found.layers:
        numbers = " | ".join(str(number) for number in layer.counts.values())
        lines.append(f"| {layer.name} | {numbers} | {layer.seconds:.1f} |")
    lines += _section("Failures", map(_failure, found.failures))
    lines += _section(
        "Could not be asked",
        (
            f"{escaped(each.headline)} ({summary.tests(len(each.results))})"
            for each in found.unasked
        ),
    )
    lines += _section("The run itself", map(escaped, found.problems))
    if changes:
        worse = (f"newly red: `{code(result.test)}`" for result in changes.worse)
        better = (f"green again: `{code(name)}`" for name in changes.better)
        lines += _section("Since the baseline", [*worse, *better])
    if soak:
        red = [each for each in soak.checks if each.red]
        lines += ["", f"### Soak: {len(soak.rounds)} rounds, {len(soak.red_rounds)} not green", ""]
        lines += [
            f"- `{code(each.check)}`: {each.red} of {each.judged} rounds, "
            f"{100 * each.low:.1f} to {100 * each.high:.1f} %"
            for each in red[:MOST]
        ]
    return "\n".join(lines) + "\n"


def _failure(result: Result) -> str:
    suffix = f" (`{code(result.code)}`)" if result.code else ""
    return f"`{code(result.test)}`: {escaped(result.headline)}{suffix}"


def _section(title: str, items: Iterable[str]) -> list[str]:
    told = list(items)
    if not told:
        return []
    more = [f"- … and {len(told) - MOST} more"] if len(told) > MOST else []
    return ["", f"### {title} ({len(told)})", "", *(f"- {item}" for item in told[:MOST]), *more]


def escaped(text: str) -> str:
    """One line of text that Markdown takes for nothing but text."""
    line = " ".join(text.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~@-])", r"\\\1", line)


def code(text: str) -> str:
    """Text for between backticks."""
    return " ".join(text.split()).replace("`", "'").replace("|", "/")


def artifacts(files: dict[str, Path], beside: Path) -> dict[str, Any]:
    """What `zuul_return` takes: each file by its path beside the JSON file that says so."""
    told = []
    for kind, path in files.items():
        name, label = KINDS[kind]
        url = Path(os.path.relpath(path, beside.parent)).as_posix()
        told.append({"name": name, "url": url, "metadata": {"type": label}})
    return {"zuul": {"artifacts": told}}
