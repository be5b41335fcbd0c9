# SPDX-License-Identifier: Apache-2.0
"""``doc/reference/blocks.rst`` matches the blocks."""

from pathlib import Path

from heatgen.authoring import block_reference
from heatgen.project import block_loader
from tests.expected_file import compare

PAGE = Path(__file__).resolve().parents[4] / "doc" / "reference" / "blocks.rst"
REGENERATE = ".venv/bin/pytest tests/unit/heatgen/authoring"
CATALOG = block_loader.catalog()


def test_page_is_up_to_date() -> None:
    """The committed page is the generated one."""
    compare(PAGE, block_reference.page(CATALOG), REGENERATE)


def test_page_is_complete() -> None:
    """Every option, step, port and artifact of every block has a row."""
    text = block_reference.page(CATALOG)
    for block in CATALOG.all_blocks():
        cells = [f"``{block.layer}.{option}``" for option in block.options]
        cells += [f"``{step.name}``" for step in block.steps]
        cells += [f"{port.port} {port.protocol}".strip() for port in block.ports]
        cells += [f"``{name}``" for name in (*block.artifacts, *block.images)]
        _, _, section = text.partition(f"\n{block.layer}/{block.name}\n=")
        for cell in cells:
            assert f"   * - {cell}\n" in (section or text), f"{block.layer}/{block.name}: {cell}"


def test_markup_is_escaped() -> None:
    """Markup characters in descriptions are escaped."""
    assert block_reference._text("a_b *c* `d` |e|\n f") == r"a\_b \*c\* \`d\` \|e\| f"
