# SPDX-License-Identifier: Apache-2.0
"""The support matrix in documents matches the records in ``hot/support``."""

from pathlib import Path

import pytest

from heatgen.authoring import support_reference
from heatgen.blocks import support
from heatgen.project import block_loader
from tests.expected_file import compare

ROOT = Path(__file__).resolve().parents[4]
REGENERATE = ".venv/bin/pytest tests/unit/heatgen/authoring"
SUPPORT = block_loader.catalog().support


def test_page_is_up_to_date() -> None:
    """The committed page is the generated one."""
    page = ROOT / "doc" / "reference" / "support.rst"
    compare(page, support_reference.page(SUPPORT), REGENERATE)


def test_readme_is_up_to_date() -> None:
    """The table in the README is the generated one."""
    readme = ROOT / "README.rst"
    compare(readme, support_reference.readme(readme.read_text(), SUPPORT), REGENERATE)


def test_marks_of_the_readme() -> None:
    """A document without marks is an error."""
    with pytest.raises(ValueError, match="begin of the support matrix"):
        support_reference.readme("text", SUPPORT)


def test_a_system_without_record_is_not_run() -> None:
    """Nothing is claimed of a system without records."""
    item = support.TestedSystem("new", "New system", "os", "debian")
    bare = support.Support({"lab": "the lab", "cloud": "a cloud"}, (item,), {})
    rows = list(support_reference.matrix(bare))
    assert rows[3].split("  ")[-2:] == ["not run", "not run"]
    assert "passed" not in support_reference.page(bare)
    assert bare.sentence("os", "debian") == "New system: not run"
