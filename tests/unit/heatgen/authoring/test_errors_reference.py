# SPDX-License-Identifier: Apache-2.0
"""Error codes are unique, described and used, and the reference page lists all of them."""

import re
from pathlib import Path

import pytest

from heatgen.authoring import errors_reference
from heatgen.yamlio import codes
from heatgen.yamlio.codes import Code

SOURCE = Path(codes.__file__)
PACKAGE = SOURCE.parents[1]


def test_codes_are_unique() -> None:
    """No two members have the same code, which would make one an alias of the other."""
    assert list(Code.__members__) == [code.name for code in Code]


@pytest.mark.parametrize("code", Code)
def test_code(code: Code) -> None:
    """A code is its name in kebab-case, and its description is one sentence."""
    assert code == code.name.lower().replace("_", "-")
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", code)
    assert re.fullmatch(r"[A-Z](?:[^.]|\.\w)*\.", code.description), code.description


def test_codes_are_used() -> None:
    """Every code is used in heatgen."""
    text = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py") if path != SOURCE)
    used = set(re.findall(r"\bCode\.([A-Z0-9_]+)\b", text))
    assert used == set(Code.__members__)


def test_page_lists_all_codes() -> None:
    """Every code is in one section of the page."""
    source = SOURCE.read_text("utf-8")
    listed = [code for part in errors_reference.sections(source).values() for code in part]
    assert listed == list(Code)
    page = errors_reference.page(source)
    for code in listed:
        assert f"\n   * - ``{code}``\n     - {code.description}\n" in page
