# SPDX-License-Identifier: Apache-2.0
"""The journal of the fault in a cluster."""

from pathlib import Path

from lab.faultinjection.journal import Journal


def test_journal_is_persistent(tmp_path: Path) -> None:
    """Another process can read the journal; `end` deletes it, also when called twice."""
    path = tmp_path / "fault.json"
    assert Journal(path).fault == ""
    Journal(path).begin("dns-down")
    Journal(path).save("replicas", 2)
    later = Journal(path)
    assert (later.fault, later.saved("replicas"), later.saved("other", 0)) == ("dns-down", 2, 0)
    later.end()
    later.end()
    assert (later.fault, later.saved("replicas")) == ("", None)
