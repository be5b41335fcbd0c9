# SPDX-License-Identifier: Apache-2.0
"""Tests of the YAML writer."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from heatgen.yamlio import writer

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=30)
LINES = st.lists(st.text("ab \t#:-'\"|", max_size=6), max_size=6).map("\n".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT | LINES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)


@given(VALUES)
def test_round_trip(value: object) -> None:
    """PyYAML parses the output to the same value."""
    assert yaml.safe_load(writer.dump(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "No",
        "null",
        "~",
        "1.0",
        "0x1",
        "2026-11-23",
        "a: b",
        "- a",
        "",
        " a",
        "a ",
        "#a",
        "a:",
        "%index%",
        "=",
        "<<",
        "OS::Nova::Server",
    ],
)
def test_ambiguous_strings_are_quoted(text: str) -> None:
    """Strings that a YAML parser could convert remain strings, as values and as keys."""
    assert yaml.safe_load(writer.dump({text: [text, {"k": text}]})) == {text: [text, {"k": text}]}


def test_scripts_are_literal_blocks() -> None:
    """A script is written line by line, with its tabs."""
    text = writer.dump({"script": "#!/bin/sh\n\tx\n\nexit\n"})
    assert text == "script: |\n  #!/bin/sh\n  \tx\n\n  exit\n"


def test_other_types_are_rejected() -> None:
    """A value of another type raises TypeError."""
    with pytest.raises(TypeError):
        writer.dump({"a": object()})
