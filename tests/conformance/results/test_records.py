# SPDX-License-Identifier: Apache-2.0
"""Results files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.results import records, renamed
from conformance.results.records import Result, ResultsError, Writer

OUTCOMES = {records.PASSED, records.FAILED, records.ERROR, records.SKIPPED}

# Hypothesis also generates constants of the code; former names of checks are not read unchanged.
words = st.text(max_size=30).filter(lambda text: renamed.current(text) == text)

some_results = st.builds(
    Result,
    test=words,
    check=words,
    layer=words,
    outcome=st.sampled_from(sorted(OUTCOMES)),
    seconds=st.floats(0, 1e6),
    headline=words,
    detail=words,
    nodes=st.lists(words, max_size=3),
    properties=st.dictionaries(words, words, max_size=2),
    code=words,
)


@given(written=st.lists(some_results, max_size=4), cut=st.integers(1, 200))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, written: list[Result], cut: int
) -> None:
    """All lines are read again; of a truncated file, all complete lines are."""
    file = tmp_path_factory.mktemp("results") / "results.jsonl"
    with Writer(file) as writer:
        writer.write({"format": 1})
        for result in written:
            writer.write(result)
        writer.write({"ended": "now", "exit": 0})
    found = records.read(file)
    assert (found.results, found.footer["exit"]) == (written, 0)
    text = file.read_text()
    header = text.index("\n") + 1
    left = records.parse(text[: max(len(text) - cut, header)])
    assert left.results == written[: len(left.results)]
    assert left.footer == {}


@pytest.mark.parametrize(
    "text", ["", "\n", "no json\n", "[]\n", '{"format": 2}\n', '{"format": 1}\n{"test": 1}\n']
)
def test_other_files_are_rejected(tmp_path: Path, text: str) -> None:
    """A file that is not a results file is an error with its name."""
    file = tmp_path / "other"
    file.write_text(text)
    with pytest.raises(ResultsError, match="other"):
        records.read(file)


def test_results_without_codes_are_read() -> None:
    """Results files of earlier releases, whose tests have no code, are read."""
    line = '{"test": "m.py::t", "check": "t", "layer": "os", "outcome": "failed", "seconds": 1.0}'
    (result,) = records.parse(f'{{"format": 1}}\n{line}\n').results
    assert result.code == ""
