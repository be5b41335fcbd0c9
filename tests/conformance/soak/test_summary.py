# SPDX-License-Identifier: Apache-2.0
"""Summary of the rounds of a soak."""

from dataclasses import replace

import pytest

from conformance.facts.components import Component
from conformance.soak import summary
from conformance.soak.history import CheckRound, Pings, Round
from tests.conformance.soak.rounds import ONE, a_round


def many(marks: str, check: str = "test_a") -> list[Round]:
    """Return rounds in which the check was green (+) or red (F)."""
    return [a_round(at, (check,) if mark == "F" else ()) for at, mark in enumerate(marks, 1)]


def test_flake_rate_has_bounds() -> None:
    """A flake rate has an interval and the number of evaluated rounds."""
    (worst, *others) = summary.check_histories(many("+" * 19 + "F"))
    assert (worst.check, worst.red, worst.evaluated, worst.in_a_row) == ("test_a", 1, 20, 1)
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
        ("+" * 40 + "F+F+F+F+++", True),  # four of ten, none before
        ("+" * 10 + "F" + "+" * 15 + "F" + "+" * 13 + "F+++++", False),  # its usual flakes
        ("F+" * 20, False),  # no more often than before
    ],
)
def test_regression_differs_from_flake(marks: str, regression: bool) -> None:
    """Three consecutive red rounds, or more than the flake rate explains, are a regression."""
    assert bool(summary.regressions(many(marks))) is regression


def test_skipped_checks_are_not_evaluated() -> None:
    """Rounds in which the check was skipped do not count."""
    skipped = [replace(a_round(9), checks={"test_a": CheckRound("skipped", 1, 0.0)})] * 5
    found = summary.check_history([*many("+F"), *skipped], "test_a")
    assert (found.evaluated, found.red, found.rounds) == (2, 1, 7)


def test_slower_check_drifts() -> None:
    """A check that takes twice as long at the end drifts; a noisy one does not."""
    slower, noisy = [], []
    for at in range(30):
        noise = 0.05 * (at * 7 % 5)
        slower.append(replace(a_round(at), checks={"c": CheckRound("passed", 1, 1 + at / 20)}))
        noisy.append(replace(a_round(at), checks={"c": CheckRound("passed", 1, 1 + noise)}))
    assert summary.check_history(slower, "c").drifts
    assert not summary.check_history(noisy, "c").drifts


def with_kubelet(number: int, rss: int, fds: int, pid: int = 7) -> Round:
    """Return a round with a kubelet."""
    return a_round(
        number,
        components={
            ONE: [Component(name="kubelet", pid=pid, started=900, rss=rss, fds=fds, threads=12)]
        },
    )


def test_growing_component_is_reported() -> None:
    """Memory that increases in each round grows; a constant number of open files does not."""
    found = summary.summarize(
        [with_kubelet(at, 80_000 + 2000 * at, 40 + at % 2) for at in range(30)]
    )
    memory, files = found.components
    assert (memory.where, memory.grows, files.grows) == (f"{ONE}: kubelet", True, False)
    assert found.restarts == []


def test_restarted_component_is_reported() -> None:
    """Another process is a restart, and only the values since then count."""
    old = [with_kubelet(at, 90_000, 40) for at in range(5)]
    found = summary.summarize([*old, *(with_kubelet(at, 50_000, 40, pid=8) for at in range(5, 9))])
    assert found.restarts == [f"{ONE}: kubelet: restarted once"]
    assert len(found.components[0].values) == 4


def test_restarted_containers_and_remaining_objects_are_reported() -> None:
    """Restarts before the soak do not count; a kind with more objects in each round grows."""
    found = summary.summarize(
        [
            a_round(at, objects={"secrets": 10 + at, "pods": 8}, restarts={"a/b/c": 5 + (at > 6)})
            for at in range(12)
        ]
    )
    assert found.restarts == ["a/b/c: container restarted once"]
    assert [each.what for each in found.objects if each.grows] == ["secrets"]


def test_pings_and_losses_are_reported() -> None:
    """The summary has the latencies of pings and the number of paths with losses."""
    found = summary.summarize(
        [
            a_round(at, pings=Pings(median=0.5, p95=0.9, most=2.0, paths=6, lost=["a->b"]))
            for at in range(3)
        ]
    )
    assert [each.values for each in found.pings] == [[0.5] * 3, [0.9] * 3, [1.0] * 3]


def test_recreated_cluster_is_another() -> None:
    """Rounds of a recreated cluster are not combined with older ones."""
    assert len(summary.same_cluster([a_round(1, cluster="old"), a_round(2), a_round(3)])) == 2
