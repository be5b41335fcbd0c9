# SPDX-License-Identifier: Apache-2.0
"""Output for CI systems."""

import dataclasses
from pathlib import Path

from conformance.report import ci
from tests.conformance.report.recordings import FAILED, INCONCLUSIVE, PASSED, cluster, recording


def test_markdown_is_escaped() -> None:
    """Text from the cluster cannot create links, tags or tables in Markdown."""
    evil = dataclasses.replace(FAILED, headline="[x](javascript:1) <b>|`@all\n# head")
    text = ci.markdown(recording(PASSED, evil, INCONCLUSIVE, of=cluster()))
    assert "\\[x\\]\\(javascript:1\\) &lt;b&gt;\\|\\`\\@all \\# head" in text
    assert text.startswith("## ✗ Conformance: Not sound")
    assert "| network | 0 | 1 | 0 | 0 | 0.1 |" in text
    assert "no answer (1 test)" in text
    assert "# head (`pod-unreachable`)\n" in text


def test_artifacts(tmp_path: Path) -> None:
    """Paths of artifacts are relative to the JSON file, as in the log folder of Zuul."""
    found = ci.artifacts({"report": tmp_path / "a/report.html"}, tmp_path / "zuul.json")
    (one,) = found["zuul"]["artifacts"]
    assert (one["url"], one["metadata"]) == ("a/report.html", {"type": "conformance_report"})
