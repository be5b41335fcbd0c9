# SPDX-License-Identifier: Apache-2.0
"""The journal of the fault that is in a cluster."""

from pathlib import Path

from lab.faultinjection.journal import Journal


def test_journal_outlives_its_process(tmp_path: Path) -> None:
    """What was written down before a kill is read by the next process; in the end it is gone."""
    path = tmp_path / "fault.json"
    assert Journal(path).fault == ""
    Journal(path).begin("dns-down")
    Journal(path).keep("replicas", 2)
    later = Journal(path)
    assert (later.fault, later.kept("replicas"), later.kept("other", 0)) == ("dns-down", 2, 0)
    later.end()
    later.end()
    assert (later.fault, later.kept("replicas")) == ("", None)
