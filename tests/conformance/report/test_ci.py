# SPDX-License-Identifier: Apache-2.0
"""What CI systems show of a run."""

import dataclasses
from pathlib import Path

from conformance.report import ci
from tests.conformance.report.recordings import GOOD, LOST, MUTE, cluster, recording


def test_summary_is_only_text() -> None:
    """What the cluster said makes no link, no tag, no table in Markdown."""
    evil = dataclasses.replace(LOST, headline="[x](javascript:1) <b>|`@all\n# head")
    said = ci.markdown(recording(GOOD, evil, MUTE, of=cluster()))
    assert "\\[x\\]\\(javascript:1\\) &lt;b&gt;\\|\\`\\@all \\# head" in said
    assert said.startswith("## ✗ Conformance: Not sound")
    assert "| network | 0 | 1 | 0 | 0 | 0.1 |" in said
    assert "no answer (1 test)" in said
    assert "# head (`pod-unreachable`)\n" in said


def test_artifacts_are_told_by_their_paths(tmp_path: Path) -> None:
    """Relative to the file that tells them, as Zuul's log folder has them."""
    told = ci.artifacts({"report": tmp_path / "a/report.html"}, tmp_path / "zuul.json")
    (one,) = told["zuul"]["artifacts"]
    assert (one["url"], one["metadata"]) == ("a/report.html", {"type": "conformance_report"})
