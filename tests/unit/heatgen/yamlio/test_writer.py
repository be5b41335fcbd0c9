# SPDX-License-Identifier: Apache-2.0
"""Values as YAML: any reader gets them back, scripts stay readable."""

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
    """PyYAML reads back exactly what was written."""
    assert yaml.safe_load(writer.dump(value)) == value


@pytest.mark.parametrize(
    "word",
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
def test_words_that_other_readers_take_for_more(word: str) -> None:
    """Text stays text in values and in keys."""
    assert yaml.safe_load(writer.dump({word: [word, {"k": word}]})) == {word: [word, {"k": word}]}


def test_scripts_are_literal_blocks() -> None:
    """A script is readable in the file: one line each, tabs kept."""
    text = writer.dump({"script": "#!/bin/sh\n\tx\n\nexit\n"})
    assert text == "script: |\n  #!/bin/sh\n  \tx\n\n  exit\n"


def test_other_types_are_refused() -> None:
    """What is not a plain value is a fault of the caller, not silently text."""
    with pytest.raises(TypeError):
        writer.dump({"a": object()})
