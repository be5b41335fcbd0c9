# SPDX-License-Identifier: Apache-2.0
"""Generated reference pages of the suite are up to date."""

import json
import os
from pathlib import Path

from conformance.facts import schema
from conformance.report import code_reference
from lab.faultinjection import report

REFERENCE = Path(__file__).parents[2] / "doc" / "reference"
REGENERATE = "HEATGEN_REGENERATE=1 .venv/bin/pytest tests/conformance/test_pages.py"


def compare(path: Path, text: str) -> None:
    """Compare the text with the file, or write the file if HEATGEN_REGENERATE is set."""
    if os.environ.get("HEATGEN_REGENERATE"):
        path.write_text(text)
    assert text == path.read_text(), f"{path} differs; if this is intended: {REGENERATE}"


def test_facts_page() -> None:
    """The page of the facts format describes every dataclass with all its fields."""
    compare(REFERENCE / "facts.rst", schema.page())


def test_facts_schema() -> None:
    """The JSON schema of the facts format is up to date."""
    text = json.dumps(schema.schema(), indent=1) + "\n"
    compare(REFERENCE / "facts.schema.json", text)


def test_faults_page() -> None:
    """The page of faults contains the catalog, declarations and recorded trials."""
    compare(REFERENCE / "faults.rst", report.page())


def test_check_failures_page() -> None:
    """The page of check failures lists every code with its description."""
    compare(REFERENCE / "check-failures.rst", code_reference.page())
