# SPDX-License-Identifier: Apache-2.0
"""Generated reference pages of the suite are up to date."""

import json
from pathlib import Path

from conformance.facts import schema
from conformance.report import code_reference
from lab.faultinjection import report
from tests.expected_file import compare

REFERENCE = Path(__file__).parents[2] / "doc" / "reference"
REGENERATE = ".venv/bin/pytest tests/conformance/test_pages.py"


def test_facts_page() -> None:
    """The page of the facts format describes every dataclass with all its fields."""
    compare(REFERENCE / "facts.rst", schema.page(), REGENERATE)


def test_facts_schema() -> None:
    """The JSON schema of the facts format is up to date."""
    text = json.dumps(schema.schema(), indent=1) + "\n"
    compare(REFERENCE / "facts.schema.json", text, REGENERATE)


def test_faults_page() -> None:
    """The page of faults contains the catalog, declarations and recorded trials."""
    compare(REFERENCE / "faults.rst", report.page(), REGENERATE)


def test_check_failures_page() -> None:
    """The page of check failures lists every code with its description."""
    compare(REFERENCE / "check-failures.rst", code_reference.page(), REGENERATE)
