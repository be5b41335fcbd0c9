# SPDX-License-Identifier: Apache-2.0
"""Comparison with an earlier run."""

import dataclasses
from pathlib import Path

import pytest

from conformance.report import baseline, html
from conformance.report.cluster import Echo
from conformance.results.records import ResultsError
from tests.conformance.report.recordings import GOOD, LOST, MUTE, SKIP, cluster, recording


def test_what_is_otherwise_is_told() -> None:
    """Newly red, green again, still red, slower, other pings, other nodes."""
    before = recording(
        dataclasses.replace(LOST, outcome="passed"), dataclasses.replace(MUTE, test="a"),
        dataclasses.replace(GOOD, test="b", outcome="failed"), GOOD, of=cluster(),
    )  # fmt: skip
    other = cluster(4)
    other.pods["n0"]["n1"] = Echo(0.2, 0.4)
    other.pods["n1"]["n2"] = Echo(0.0, 9.0)
    other.nodes[0] = dataclasses.replace(other.nodes[0], kubelet="v2")
    now = recording(
        LOST, dataclasses.replace(MUTE, test="a"), dataclasses.replace(GOOD, test="b"),
        dataclasses.replace(GOOD, seconds=3.0), SKIP, of=other,
    )  # fmt: skip
    changes = baseline.compare(now, before)
    assert [result.test for result in changes.worse] == [LOST.test]
    assert (changes.better, changes.still) == (["b"], ["a"])
    assert [change.what for change in changes.slower] == ["test_fine"]
    assert [(each.what, each.now) for each in changes.pings] == [
        ("n0 → n1", "0.40 ms, 20 % lost"), ("n1 → n2", "9.00 ms"),
    ]  # fmt: skip
    assert [each.what for each in changes.nodes] == ["n0: kubelet", "n3"]
    assert changes.new == ["test_none"]
    assert not baseline.compare(now, now).differs


def test_report_is_a_baseline(tmp_path: Path) -> None:
    """A later run can be compared with a report as well as with results; nothing else will do."""
    file = tmp_path / "report.html"
    file.write_text(html.render(recording(GOOD, LOST, of=cluster())))
    kept = baseline.read(file)
    assert [each.outcome for each in kept.results] == ["passed", "failed"]
    assert not baseline.compare(recording(GOOD, LOST, of=cluster()), kept).differs
    file.write_text("<html></html>\n")
    with pytest.raises(ResultsError, match=r"report\.html"):
        baseline.read(file)
