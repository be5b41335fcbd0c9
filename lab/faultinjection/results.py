# SPDX-License-Identifier: Apache-2.0
"""Results of a run of the suite, as needed to evaluate a trial."""

from dataclasses import dataclass
from pathlib import Path

from conformance.results.records import ERROR, FAILED, PASSED, Recording, Result, ResultsError
from conformance.results.records import read as read_recording


@dataclass(frozen=True, kw_only=True)
class Results:
    """The tests of a run, its exit status, its output, and its duration in seconds.

    began: seconds since the epoch.
    """

    tests: list[Result]
    exit: int
    printed: str
    seconds: float
    began: float = 0.0

    @property
    def red(self) -> list[Result]:
        """The tests that failed or were inconclusive."""
        return [test for test in self.tests if test.outcome in (FAILED, ERROR)]

    @property
    def evaluated(self) -> int:
        """Number of tests that passed or failed."""
        return sum(test.outcome in (PASSED, FAILED) for test in self.tests)


def message(test: Result) -> str:
    """Return the complete message of a test, without its name, which may contain node names."""
    return f"{test.headline}\n{test.detail}"


def end_time(test: Result) -> float:
    """Return when the test ended, in seconds since the epoch."""
    return test.start + test.setup + test.seconds


def node_id(test: Result) -> str:
    """Return the pytest node id of the test's check."""
    return f"conformance/tests/{test.test.partition('[')[0]}"


def read(path: Path) -> list[Result]:
    """Return the tests of a results file; [] if the run ended before it wrote one."""
    try:
        recording: Recording = read_recording(path)
    except ResultsError:
        return []
    return recording.results
