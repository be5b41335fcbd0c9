# SPDX-License-Identifier: Apache-2.0
"""What the rounds of a soak tell together."""

from dataclasses import replace

import pytest

from conformance.facts.components import Component
from conformance.soak import summary
from conformance.soak.history import CheckRound, Pings, Round
from tests.conformance.soak.rounds import ONE, a_round


def many(marks: str, check: str = "test_a") -> list[Round]:
    """Rounds in which the check was green (+) or red (F)."""
    return [a_round(at, (check,) if mark == "F" else ()) for at, mark in enumerate(marks, 1)]


def test_flake_rate_has_bounds() -> None:
    """One red of twenty: the rate, what it may really be, and in how many rounds it was judged."""
    (worst, *others) = summary.check_histories(many("+" * 19 + "F"))
    assert (worst.check, worst.red, worst.judged, worst.in_a_row) == ("test_a", 1, 20, 1)
    assert worst.low < 0.05 < worst.high < 0.25
    assert worst.marks.endswith("+F")
    assert all(each.red == 0 and each.high < 0.2 for each in others)


@pytest.mark.parametrize(
    ("marks", "regression"),
    [
        ("+" * 50, False),
        ("+" * 40 + "F", False),
        ("+" * 40 + "FF", False),
        ("+" * 40 + "FFF", True),  # in a row
        ("FFF", True),
        ("+" * 40 + "F+F+F+F+++", True),  # four of ten, and never before
        ("+" * 10 + "F" + "+" * 15 + "F" + "+" * 13 + "F+++++", False),  # its usual flakes
        ("F+" * 20, False),  # no worse than it always was
    ],
)
def test_regression_is_no_flake(marks: str, regression: bool) -> None:
    """Red in three rounds in a row, or more often than its own rate explains; else none."""
    assert bool(summary.regressions(many(marks))) is regression


def test_checks_that_skip_are_not_judged() -> None:
    """Rounds without a verdict count neither for nor against."""
    skipped = [replace(a_round(9), checks={"test_a": CheckRound("skipped", 1, 0.0)})] * 5
    found = summary.check_history([*many("+F"), *skipped], "test_a")
    assert (found.judged, found.red, found.rounds) == (2, 1, 7)


def test_slower_check_is_told() -> None:
    """A check that takes twice as long at the end drifts; one that only shakes does not."""
    slower, shaky = [], []
    for at in range(30):
        wobble = 0.05 * (at * 7 % 5)
        slower.append(replace(a_round(at), checks={"c": CheckRound("passed", 1, 1 + at / 20)}))
        shaky.append(replace(a_round(at), checks={"c": CheckRound("passed", 1, 1 + wobble)}))
    assert summary.check_history(slower, "c").drifts
    assert not summary.check_history(shaky, "c").drifts


def with_kubelet(number: int, rss: int, fds: int, pid: int = 7) -> Round:
    """A round that saw this kubelet."""
    return a_round(
        number,
        components={
            ONE: [Component(name="kubelet", pid=pid, started=900, rss=rss, fds=fds, threads=12)]
        },
    )


def test_growing_component_is_told() -> None:
    """A leak of memory or files grows; a level one does not; the same with a restart between."""
    told = summary.of([with_kubelet(at, 80_000 + 2000 * at, 40 + at % 2) for at in range(30)])
    memory, files = told.components
    assert (memory.where, memory.grows, files.grows) == (f"{ONE}: kubelet", True, False)
    assert told.restarts == []


def test_restarted_component_is_told() -> None:
    """Another process is a restart, and its memory is counted anew."""
    old = [with_kubelet(at, 90_000, 40) for at in range(5)]
    told = summary.of([*old, *(with_kubelet(at, 50_000, 40, pid=8) for at in range(5, 9))])
    assert told.restarts == [f"{ONE}: kubelet: another process 1 times"]
    assert len(told.components[0].values) == 4


def test_restarted_container_and_left_objects_are_told() -> None:
    """What was restarted before the soak is not counted; what is left each round grows."""
    told = summary.of(
        [
            a_round(at, objects={"secrets": 10 + at, "pods": 8}, restarts={"a/b/c": 5 + (at > 6)})
            for at in range(12)
        ]
    )
    assert told.restarts == ["a/b/c: its container restarted 1 times"]
    assert [each.what for each in told.objects if each.grows] == ["secrets"]


def test_pings_and_their_losses_are_told() -> None:
    """Medians over the rounds, and in how many paths something was lost."""
    told = summary.of(
        [
            a_round(at, pings=Pings(median=0.5, p95=0.9, most=2.0, paths=6, lost=["a->b"]))
            for at in range(3)
        ]
    )
    assert [each.values for each in told.pings] == [[0.5] * 3, [0.9] * 3, [1.0] * 3]


def test_rebuilt_cluster_is_another() -> None:
    """Rounds of a cluster that is gone are not mixed with those of its successor."""
    assert len(summary.same_cluster([a_round(1, cluster="old"), a_round(2), a_round(3)])) == 2
