# SPDX-License-Identifier: Apache-2.0
"""Pages of the suite that code writes are what the code says today."""

import json
import os
from pathlib import Path

from conformance.facts import schema
from conformance.report import code_reference
from lab.faultinjection import report

REFERENCE = Path(__file__).parents[2] / "doc" / "reference"
REGENERATE = "HEATGEN_REGENERATE=1 .venv/bin/pytest tests/conformance/test_pages.py"


def compare(path: Path, text: str) -> None:
    """Compare with the file; the command in the message writes what is there now."""
    if os.environ.get("HEATGEN_REGENERATE"):
        path.write_text(text)
    assert text == path.read_text(), f"{path} differs. Is it meant? Then: {REGENERATE}"


def test_facts_page() -> None:
    """The format's page has every dataclass with all its fields."""
    compare(REFERENCE / "facts.rst", schema.page())


def test_facts_schema() -> None:
    """So has the schema beside it."""
    text = json.dumps(schema.schema(), indent=1) + "\n"
    compare(REFERENCE / "facts.schema.json", text)


def test_faults_page() -> None:
    """Catalog, declarations and kept trials are on the page of faults and checks."""
    compare(REFERENCE / "faults.rst", report.page())


def test_check_failures_page() -> None:
    """The page of check failures lists every code with its description."""
    compare(REFERENCE / "check-failures.rst", code_reference.page())
