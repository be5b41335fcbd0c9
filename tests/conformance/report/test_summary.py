# SPDX-License-Identifier: Apache-2.0
"""Summary of a run: overall result, and messages in parts."""

import dataclasses

import pytest

from conformance.report import summary
from conformance.results.records import Recording
from tests.conformance.report.recordings import (
    FAILED,
    HEADER,
    INCONCLUSIVE,
    ONE,
    PASSED,
    SKIPPED,
    TWO,
    green,
    recording,
)


@pytest.mark.parametrize(
    ("recorded", "kind", "reason"),
    [
        (green(), "sound", "1 test passed"),
        (recording(PASSED, FAILED), "broken", "1 test failed"),
        (recording(FAILED, INCONCLUSIVE), "broken", "1 inconclusive"),
        (recording(PASSED, INCONCLUSIVE), "unclear", "1 test inconclusive"),
        (recording(SKIPPED, exit=5), "unclear", "no test passed"),
        (recording(PASSED, exit=2), "unclear", "interrupted"),
        (Recording(HEADER, [PASSED]), "unclear", "killed"),
        (recording(exit=4, problem="no API"), "unclear", "no API"),
        (green(exit=1, notes=["LEFT BEHIND: namespace x"]), "broken", "LEFT BEHIND"),
        (recording(PASSED, exit=3), "unclear", "status 3"),
    ],
)
def test_verdict(recorded: Recording, kind: str, reason: str) -> None:
    """A run is sound only if it completed, nothing failed and no objects remain."""
    verdict = summary.summarize(recorded).verdict
    assert verdict.kind == kind
    assert reason in verdict.reason


def test_message_parts() -> None:
    """A message is split by its labels; one of another form is not changed."""
    message = summary.parse_message(FAILED)
    assert message.at == f"{ONE} -> {TWO}: ping"
    assert list(message.parts) == ["expected", "seen", "likely", "next", "code"]
    assert message.parts["seen"] == "none\nat all"
    odd = dataclasses.replace(FAILED, detail="Traceback\n  expected nothing\nmore")
    assert summary.parse_message(odd).rest == odd.detail
