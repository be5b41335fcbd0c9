# SPDX-License-Identifier: Apache-2.0
"""The summary of a run: its verdict, and failures in their parts."""

import dataclasses

import pytest

from conformance.report import summary
from conformance.results.records import Recording
from tests.conformance.report.recordings import (
    GOOD,
    HEADER,
    LOST,
    MUTE,
    ONE,
    SKIP,
    TWO,
    green,
    recording,
)


@pytest.mark.parametrize(
    ("made", "kind", "why"),
    [
        (green(), "sound", "1 test passed"),
        (recording(GOOD, LOST), "broken", "1 test failed"),
        (recording(LOST, MUTE), "broken", "1 test could not ask"),
        (recording(GOOD, MUTE), "unclear", "could not ask"),
        (recording(SKIP, exit=5), "unclear", "no test passed"),
        (recording(GOOD, exit=2), "unclear", "before it was over"),
        (Recording(HEADER, [GOOD]), "unclear", "killed"),
        (recording(exit=4, problem="no API"), "unclear", "no API"),
        (green(exit=1, notes=["LEFT BEHIND: namespace x"]), "broken", "LEFT BEHIND"),
        (recording(GOOD, exit=3), "unclear", "status 3"),
    ],
)
def test_verdict(made: Recording, kind: str, why: str) -> None:
    """Sound is only what came to its end with all green and nothing left."""
    verdict = summary.of(made).verdict
    assert verdict.kind == kind
    assert why in verdict.why


def test_message_is_told_in_its_parts() -> None:
    """Where, expected, seen, likely, next; a message of another form is told as it is."""
    told = summary.parse_message(LOST)
    assert told.at == f"{ONE} -> {TWO}: ping"
    assert list(told.parts) == ["expected", "seen", "likely", "next", "code"]
    assert told.parts["seen"] == "none\nat all"
    odd = dataclasses.replace(LOST, detail="Traceback\n  expected nothing\nmore")
    assert summary.parse_message(odd).rest == odd.detail
