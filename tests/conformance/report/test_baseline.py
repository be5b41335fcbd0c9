# SPDX-License-Identifier: Apache-2.0
"""Comparison with an earlier run."""

import dataclasses
from pathlib import Path

import pytest

from conformance.report import baseline, html
from conformance.report.cluster import Echo
from conformance.results.records import ResultsError
from tests.conformance.report.recordings import (
    FAILED,
    INCONCLUSIVE,
    PASSED,
    SKIPPED,
    cluster,
    recording,
)


def test_differences() -> None:
    """A comparison lists tests that changed, slower checks, pings, nodes and new checks."""
    before = recording(
        dataclasses.replace(FAILED, outcome="passed"), dataclasses.replace(INCONCLUSIVE, test="a"),
        dataclasses.replace(PASSED, test="b", outcome="failed"), PASSED, of=cluster(),
    )  # fmt: skip
    other = cluster(4)
    other.pods["n0"]["n1"] = Echo(0.2, 0.4)
    other.pods["n1"]["n2"] = Echo(0.0, 9.0)
    other.nodes[0] = dataclasses.replace(other.nodes[0], kubelet="v2")
    now = recording(
        FAILED, dataclasses.replace(INCONCLUSIVE, test="a"), dataclasses.replace(PASSED, test="b"),
        dataclasses.replace(PASSED, seconds=3.0), SKIPPED, of=other,
    )  # fmt: skip
    changes = baseline.compare(now, before)
    assert [result.test for result in changes.worse] == [FAILED.test]
    assert (changes.better, changes.still) == (["b"], ["a"])
    assert [change.what for change in changes.slower] == ["test_fine"]
    assert [(each.what, each.now) for each in changes.pings] == [
        ("n0 → n1", "0.40 ms, 20 % lost"), ("n1 → n2", "9.00 ms"),
    ]  # fmt: skip
    assert [each.what for each in changes.nodes] == ["n0: kubelet", "n3"]
    assert changes.new == ["test_skipped"]
    assert not baseline.compare(now, now).differs


def test_report_is_a_baseline(tmp_path: Path) -> None:
    """A baseline can be a report; a file that is neither report nor results is an error."""
    file = tmp_path / "report.html"
    file.write_text(html.render(recording(PASSED, FAILED, of=cluster())))
    before = baseline.read(file)
    assert [each.outcome for each in before.results] == ["passed", "failed"]
    assert not baseline.compare(recording(PASSED, FAILED, of=cluster()), before).differs
    file.write_text("<html></html>\n")
    with pytest.raises(ResultsError, match=r"report\.html"):
        baseline.read(file)
