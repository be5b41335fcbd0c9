# SPDX-License-Identifier: Apache-2.0
"""A run of the suite as the trial looks at it."""

from dataclasses import dataclass
from pathlib import Path

from conformance.results.records import ERROR, FAILED, PASSED, Recording, Result, ResultsError
from conformance.results.records import read as read_recording


@dataclass(frozen=True, kw_only=True)
class Results:
    """Its tests, its exit status, what it printed, how many seconds it took.

    began: seconds since the epoch.
    """

    tests: list[Result]
    exit: int
    printed: str
    seconds: float
    began: float = 0.0

    @property
    def red(self) -> list[Result]:
        """The tests that are neither passed nor skipped."""
        return [test for test in self.tests if test.outcome in (FAILED, ERROR)]

    @property
    def judged(self) -> int:
        """How many tests came to a verdict about the cluster."""
        return sum(test.outcome in (PASSED, FAILED) for test in self.tests)


def said(test: Result) -> str:
    """All words of a test's message; its name, which may hold nodes' names, is not among them."""
    return f"{test.headline}\n{test.detail}"


def ended(test: Result) -> float:
    """When its verdict stood, in seconds since the epoch."""
    return test.start + test.setup + test.seconds


def address(test: Result) -> str:
    """By what pytest finds the test's check again."""
    return f"conformance/tests/{test.test.partition('[')[0]}"


def read(path: Path) -> list[Result]:
    """The tests of a results file; [] if the run ended before it wrote one."""
    try:
        recording: Recording = read_recording(path)
    except ResultsError:
        return []
    return recording.results
