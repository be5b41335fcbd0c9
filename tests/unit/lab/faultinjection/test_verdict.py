# SPDX-License-Identifier: Apache-2.0
"""Evaluation of a run of the suite with a fault in the cluster."""

import pytest

from conformance.results.records import Result
from lab.faultinjection import verdict
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import WHOLE_CLUSTER, Victims
from lab.faultinjection.results import Results
from tests.unit.lab.faultinjection.samples import VICTIM, fault, result


def problems(
    *tests: Result, given: Fault | None = None, victims: Victims = VICTIM, status: int = 1
) -> list[str]:
    """Return the problems of a run in which `test_a` declares the fault."""
    run = Results(
        tests=[*tests, result("test_z", "passed")], exit=status, printed="printed", seconds=1.0
    )
    return verdict.evaluate(given or fault(), {"test_a"}, victims, run).problems


def test_exactly_the_declared_checks() -> None:
    """A run in which exactly the declared checks failed is exact."""
    assert not problems(result("test_a"))
    assert not problems(result("test_a"), result("test_a", "error"), result("test_a", "passed"))


@pytest.mark.parametrize(
    ("tests", "text"),
    [
        ([], "did not fail: not run"),
        ([result("test_a", "passed")], "did not fail: passed"),
        ([result("test_a", "error")], "did not fail: error"),
        ([result("test_a"), result("test_b")], "test_b is unexpectedly red: demo-worker"),
        ([result("test_a"), result("test_b", "error")], "test_b is unexpectedly red"),
        ([result("test_a", message="something broke")], "names none of demo-worker-0"),
    ],
)
def test_problems(tests: list[Result], text: str) -> None:
    """Missed faults, unexpected red checks and messages without a victim are problems."""
    assert any(text in problem for problem in problems(*tests))


def test_one_message_names_all_victims() -> None:
    """Each check must name one end of a path, and at least one message both."""
    ends = Victims(("demo-worker-0", "demo-worker-1"))
    both = result("test_a", message="demo-worker-0 -> demo-worker-1: lost")
    assert not problems(both, victims=ends)
    (problem,) = problems(result("test_a"), victims=ends)
    assert problem == "no message names demo-worker-0 and demo-worker-1"


def test_fault_of_the_whole_cluster() -> None:
    """If a fault affects the whole cluster, messages need not name a node."""
    assert not problems(result("test_a", message="no leader"), victims=WHOLE_CLUSTER)


def test_companions_are_explained() -> None:
    """Companions are not problems; a pattern matches several checks."""
    tests = result("test_a"), result("test_b"), result("test_c_d", "error")
    assert len(problems(*tests)) == 2
    assert not problems(*tests, given=fault(COMPANIONS={"test_b": "for", "test_c*": "because"}))


def test_inconclusive_on_the_victim() -> None:
    """Checks may be inconclusive on a victim, but not fail, nor be inconclusive elsewhere."""
    given = fault(INCONCLUSIVE="no pod runs there")
    assert not problems(result("test_a"), result("test_b", "error"), given=given)
    elsewhere = result("test_b", "error", message="demo-worker-1: no answer")
    assert problems(result("test_a"), elsewhere, given=given)
    assert problems(result("test_a"), result("test_b"), given=given)


def test_red_before_the_fault() -> None:
    """Such a check is not a problem, unless it declares the fault."""
    run = Results(
        tests=[result("test_a"), result("test_b")], exit=1, printed="printed", seconds=1.0
    )
    found = verdict.evaluate(fault(), {"test_a"}, VICTIM, run, {"test_b"})
    assert found.exact
    assert found.red["test_b"].role == "before"
    (problem,) = verdict.evaluate(fault(), {"test_a"}, VICTIM, run, {"test_a", "test_b"}).problems
    assert problem == "test_a was red before the fault"


def test_message_contains_the_cause() -> None:
    """A message of a declared check must contain the texts that the module requires."""
    assert not problems(result("test_a"), given=fault(MESSAGE_CONTAINS=("lost",)))
    (problem,) = problems(result("test_a"), given=fault(MESSAGE_CONTAINS=("UDP 8472",)))
    assert "contains 'UDP 8472'" in problem


def test_suite_cannot_start() -> None:
    """If the API is unavailable, the suite must exit with status 4 and print the reason."""
    given = fault(STARTUP_ERRORS=("etcd",))
    run = Results(
        tests=[],
        exit=4,
        printed="ERROR: the cluster cannot be reached: etcd has no leader",
        seconds=9.0,
    )
    assert verdict.evaluate(given, set(), WHOLE_CLUSTER, run).exact
    assert not verdict.evaluate(fault(STARTUP_ERRORS=("disk",)), set(), WHOLE_CLUSTER, run).exact
    assert not verdict.evaluate(
        given, set(), WHOLE_CLUSTER, Results(tests=[], exit=1, printed=run.printed, seconds=9.0)
    ).exact
