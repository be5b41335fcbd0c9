# SPDX-License-Identifier: Apache-2.0
"""Files that a run or a soak writes at its end."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conformance.report import baseline as baselines
from conformance.report import ci, html, junit
from conformance.results.records import Recording, ResultsError
from conformance.soak.summary import Soak


@dataclass(frozen=True, kw_only=True)
class OutputFiles:
    """Requested output files."""

    report: Path | None = None
    baseline: Recording | None = None
    junit: Path | None = None
    artifacts: Path | None = None
    summary: Path | None = None
    also: dict[str, Path] = field(default_factory=dict)
    """Other files of the run, to be listed in ``artifacts``."""


def from_options(config: pytest.Config) -> OutputFiles:
    """Return the files requested by command line and environment.

    Raises:
        pytest.UsageError: if the baseline or the directory of an output file cannot be used.
    """
    option = config.option
    for name in ("report", "artifacts"):
        if (path := getattr(option, name)) and not Path(path).parent.is_dir():
            raise pytest.UsageError(f"--{name} {path}: {Path(path).parent} is not a directory")
    try:
        baseline = baselines.read(Path(option.baseline)) if option.baseline else None
    except ResultsError as problem:
        raise pytest.UsageError(f"--baseline {problem}") from None
    xml = getattr(option, "xmlpath", None)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    soaks = option.soak is not None or option.soak_rounds is not None
    also = {"results": option.results, "facts": option.save_facts}
    also["history"] = option.soak_history if soaks else None
    return OutputFiles(
        report=Path(option.report) if option.report else None,
        baseline=baseline,
        junit=Path(os.path.expandvars(xml)).expanduser() if xml else None,
        artifacts=Path(option.artifacts) if option.artifacts else None,
        summary=Path(summary) if summary else None,
        also={kind: Path(path) for kind, path in also.items() if path},
    )


def write(to: OutputFiles, recording: Recording, soak: Soak | None = None) -> list[str]:
    """Write all files except JUnit; return messages about written files and errors."""
    changes = baselines.compare(recording, to.baseline) if to.baseline else None
    messages = []
    try:
        if to.report:
            to.report.write_text(html.render(recording, changes, soak))
            messages.append(f"report in {to.report}")
        if to.summary:
            with to.summary.open("a") as summary:
                summary.write(ci.markdown(recording, changes, soak))
        if to.artifacts:
            own = {"report": to.report, "junit": to.junit}
            files = {kind: path for kind, path in own.items() if path}
            files |= {kind: path for kind, path in to.also.items() if path.exists()}
            to.artifacts.write_text(json.dumps(ci.artifacts(files, to.artifacts), indent=1) + "\n")
    except OSError as problem:
        messages.append(f"cannot write all reports: {problem}")
    return messages


def complete_junit(to: OutputFiles, recording: Recording) -> None:
    """Add to the JUnit file after pytest has written it."""
    if not to.junit:
        return
    text = to.junit.read_text() if to.junit.exists() else ""
    to.junit.write_text(junit.completed(text, recording))
