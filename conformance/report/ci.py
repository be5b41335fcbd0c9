# SPDX-License-Identifier: Apache-2.0
"""Output for CI systems: GitHub step summary, Zuul artifacts."""

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

MOST = 20  # items per section; the report has all
KINDS = {
    "report": ("Conformance report", "conformance_report"),
    "junit": ("Conformance results (JUnit)", "conformance_junit"),
    "results": ("Conformance results", "conformance_results"),
    "facts": ("Facts about the cluster", "conformance_facts"),
    "history": ("History of the soak", "conformance_soak"),
}


def markdown(recording: Recording, changes: Changes | None = None, soak: Soak | None = None) -> str:
    """Return the run as Markdown; all texts from the cluster are escaped."""
    found = summary.summarize(recording)
    mark = MARKS[found.verdict.kind]
    lines = [f"## {mark} Conformance: {found.verdict.title}", "", escaped(found.verdict.reason), ""]
    lines += [
        "| layer | passed | failed | inconclusive | skipped | seconds |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for layer in found.layers:
        numbers = " | ".join(str(number) for number in layer.counts.values())
        lines.append(f"| {layer.name} | {numbers} | {layer.seconds:.1f} |")
    lines += _section("Failures", map(_failure, found.failures))
    lines += _section(
        "Inconclusive",
        (
            f"{escaped(each.headline)} ({summary.tests(len(each.results))})"
            for each in found.inconclusive
        ),
    )
    lines += _section("The run itself", map(escaped, found.problems))
    if changes:
        worse = (f"newly red: `{code(result.test)}`" for result in changes.worse)
        better = (f"passing again: `{code(name)}`" for name in changes.better)
        lines += _section("Since the baseline", [*worse, *better])
    if soak:
        red = [each for each in soak.checks if each.red]
        lines += ["", f"### Soak: {len(soak.rounds)} rounds, {len(soak.red_rounds)} red", ""]
        lines += [
            f"- `{code(each.check)}`: {each.red} of {each.evaluated} rounds, "
            f"{100 * each.low:.1f} to {100 * each.high:.1f} %"
            for each in red[:MOST]
        ]
    return "\n".join(lines) + "\n"


def _failure(result: Result) -> str:
    suffix = f" (`{code(result.code)}`)" if result.code else ""
    return f"`{code(result.test)}`: {escaped(result.headline)}{suffix}"


def _section(title: str, items: Iterable[str]) -> list[str]:
    lines = list(items)
    if not lines:
        return []
    more = [f"- … and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return ["", f"### {title} ({len(lines)})", "", *(f"- {item}" for item in lines[:MOST]), *more]


def escaped(text: str) -> str:
    """Return the text as one line in which Markdown has no markup."""
    line = " ".join(text.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~@-])", r"\\\1", line)


def code(text: str) -> str:
    """Return the text for use between backticks."""
    return " ".join(text.split()).replace("`", "'").replace("|", "/")


def artifacts(files: dict[str, Path], beside: Path) -> dict[str, Any]:
    """Return the data for ``zuul_return``, with paths relative to the JSON file."""
    found = []
    for kind, path in files.items():
        name, label = KINDS[kind]
        url = Path(os.path.relpath(path, beside.parent)).as_posix()
        found.append({"name": name, "url": url, "metadata": {"type": label}})
    return {"zuul": {"artifacts": found}}
