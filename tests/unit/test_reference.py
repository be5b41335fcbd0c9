# SPDX-License-Identifier: Apache-2.0
"""``doc/reference/`` says what schema and blocks say."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from heatgen import library, reference
from heatgen.names import LAYERS

HERE = Path(__file__).resolve().parents[2] / "doc" / "reference"
REGENERATE = "HEATGEN_REGENERATE=1 tox run -e unit -- tests/unit/test_reference.py"
CATALOG, SCHEMA = library.catalog(), library.schema("cluster")
PAGES = {
    "cluster.rst": reference.cluster_page(SCHEMA, CATALOG),
    "blocks.rst": reference.blocks_page(CATALOG),
}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_up_to_date(name: str) -> None:
    """The page that is committed is the one that is made."""
    if os.environ.get("HEATGEN_REGENERATE"):
        (HERE / name).write_text(PAGES[name], "utf-8")
    assert (HERE / name).read_text("utf-8") == PAGES[name], f"It is made by: {REGENERATE}"


def keys(part: Mapping[str, Any], path: str) -> Iterator[str]:
    """Every key of a schema."""
    for name, child in part.get("properties", {}).items():
        yield f"{path}{name}"
        yield from keys(child, f"{path}{name}.")


def test_every_key_and_option_is_there() -> None:
    """Nothing that a user may write is left out, and no key or option is without description."""
    for key in keys(SCHEMA, ""):
        if key not in LAYERS:
            page = PAGES["cluster.rst"]
            row = next(
                (row for row in page.split("   * - ") if row.startswith(_cell(key, page))), ""
            )
            assert row.rstrip().rpartition("\n     -")[2].strip(), key
    for block in CATALOG.all_blocks():
        for option in block.options:
            assert f"``{block.layer}.{option}``" in PAGES["blocks.rst"]


def _cell(key: str, page: str) -> str:
    return f"**{key}**\n" if f"**{key}**" in page else f"``{key}``\n"


def test_text_stays_text() -> None:
    """What a description holds is not taken for markup."""
    assert reference._text("a_b *c* `d` |e|\n f") == r"a\_b \*c\* \`d\` \|e\| f"


def test_references_are_followed() -> None:
    """A part that is shared by several keys stands at each, with what the key says itself."""
    schema = {
        "required": ["a"],
        "properties": {
            "a": {"$ref": "#/$defs/zone", "description": "own"},
            **{layer: {"properties": {"use": {}}} for layer in LAYERS},
        },
        "$defs": {"zone": {"type": ["string", "null"], "default": "x", "description": "shared"}},
    }
    page = reference.cluster_page(schema, CATALOG)
    assert "   * - **a**\n     - text\n     - ``x``\n     - own\n" in page
