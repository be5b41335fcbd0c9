# SPDX-License-Identifier: Apache-2.0
"""History of a soak."""

from pathlib import Path

import pytest

from conformance.facts import model
from conformance.facts.serialization import from_plain
from conformance.results.records import Recording, Result
from conformance.soak import history
from conformance.soak.history import THE_RUN, CheckRound, HistoryError, Red
from tests.conformance import healthy
from tests.conformance.soak.rounds import ONE, TWO, a_round


def test_history_survives_a_kill(tmp_path: Path) -> None:
    """An incomplete line is skipped, and the next round starts a new line."""
    file = tmp_path / "soak.jsonl"
    history.append(file, a_round(1))
    text = file.read_text()
    file.write_text(text + text[:50])
    history.append(file, a_round(2, ("test_a",)))
    assert history.read(file) == [a_round(1), a_round(2, ("test_a",))]
    assert history.read(tmp_path / "none.jsonl") == []


def test_other_files_are_rejected(tmp_path: Path) -> None:
    """A file that contains no round is an error with its name."""
    file = tmp_path / "notes.txt"
    file.write_text("my\nnotes\n")
    with pytest.raises(HistoryError, match=r"notes\.txt"):
        history.read(file)


def test_round_of_results_and_facts() -> None:
    """A round has the worst outcome of each check, the red tests, pings and components."""
    plain = healthy.facts()
    plain["views"][ONE]["pod_pings"][TWO]["received"] = 0
    results = [
        Result(test="m.py::test_a[x]", check="test_a", layer="os", outcome="passed", seconds=1.0),
        Result(test="m.py::test_a[y]", check="test_a", layer="os", outcome="passed", seconds=3.0),
        Result(
            test="m.py::test_b[x]",
            check="test_b",
            layer="os",
            outcome="error",
            seconds=9.0,
            headline="no answer",
        ),
        Result(
            test="m.py::test_b[y]",
            check="test_b",
            layer="os",
            outcome="failed",
            seconds=9.0,
            headline="broken",
        ),
        Result(test="m.py::test_c", check="test_c", layer="os", outcome="skipped", seconds=0.0),
    ]
    made = history.round_of(
        Recording({"run": "r"}, results, {"notes": ["LEFT BEHIND: namespace x"]}),
        from_plain(model.Facts, plain),
        1,
        round=7, cluster="uid", began=1.0, seconds=2.0,
    )  # fmt: skip
    assert made.checks["test_a"] == CheckRound("passed", 2, 2.0)
    assert made.checks["test_b"].outcome == "failed"
    assert made.checks["test_c"].outcome == "skipped"
    assert made.checks[THE_RUN].outcome == "failed"
    assert [red.headline for red in made.red] == ["no answer", "broken", "LEFT BEHIND: namespace x"]
    assert made.pings is not None
    assert (made.pings.paths, made.pings.lost) == (6, [f"{ONE}->{TWO}"])
    assert {component.name for component in made.components[ONE]} > {"kubelet"}


@pytest.mark.parametrize(
    ("recording", "headline"),
    [
        (None, "ended with exit status 4"),
        (Recording({}, [], {"problem": "no API"}), "no API"),
    ],
)
def test_round_that_could_not_start_is_red(recording: Recording | None, headline: str) -> None:
    """A round that could not start is an error of the run itself."""
    made = history.round_of(recording, None, 4, round=1, cluster="", began=0.0, seconds=1.0)
    assert made.red == [Red(THE_RUN, "error", headline)]
