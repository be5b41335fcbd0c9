# SPDX-License-Identifier: Apache-2.0
"""The verdict on a run of the suite with a fault in the cluster."""

import pytest

from conformance.results.records import Result
from lab.faultinjection import verdict
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import WHOLE_CLUSTER, Victims
from lab.faultinjection.results import Results
from tests.unit.lab.faultinjection.samples import VICTIM, fault, result


def judge(
    *tests: Result, made: Fault | None = None, victims: Victims = VICTIM, status: int = 1
) -> list[str]:
    """The problems with a run that had to see the fault by the check `test_a`."""
    ran = Results(
        tests=[*tests, result("test_z", "passed")], exit=status, printed="printed", seconds=1.0
    )
    return verdict.judge(made or fault(), {"test_a"}, victims, ran).problems


def test_exactly_the_declared_checks() -> None:
    """What is declared and red, and nothing else, is exact."""
    assert not judge(result("test_a"))
    assert not judge(result("test_a"), result("test_a", "error"), result("test_a", "passed"))


@pytest.mark.parametrize(
    ("tests", "words"),
    [
        ([], "is: not run"),
        ([result("test_a", "passed")], "is: passed"),
        ([result("test_a", "error")], "is: error"),
        ([result("test_a"), result("test_b")], "test_b is red and nobody expects it: demo-worker"),
        ([result("test_a"), result("test_b", "error")], "test_b is red and nobody expects it"),
        ([result("test_a", said="something broke")], "names none of demo-worker-0"),
    ],
)
def test_what_is_not_exact(tests: list[Result], words: str) -> None:
    """A fault that is not seen, not named, or seen by others, is told."""
    assert any(words in problem for problem in judge(*tests))


def test_one_message_names_all_victims() -> None:
    """A path has two ends: each check names one, and one message both."""
    ends = Victims(("demo-worker-0", "demo-worker-1"))
    both = result("test_a", said="demo-worker-0 -> demo-worker-1: lost")
    assert not judge(both, victims=ends)
    (problem,) = judge(result("test_a"), victims=ends)
    assert problem == "no message names demo-worker-0 and demo-worker-1"


def test_a_fault_of_all_has_no_victim() -> None:
    """Where the whole cluster is hit, no node need be named."""
    assert not judge(result("test_a", said="no leader"), victims=WHOLE_CLUSTER)


def test_companions_are_explained() -> None:
    """A check that is honestly red, too, is named with the reason; a pattern names several."""
    tests = result("test_a"), result("test_b"), result("test_c_d", "error")
    assert len(judge(*tests)) == 2
    assert not judge(*tests, made=fault(COMPANIONS={"test_b": "for", "test_c*": "because"}))


def test_errors_that_point_to_the_victim() -> None:
    """What could not be asked on a victim may be in error; a failure or another node may not."""
    made = fault(UNASKED="nothing runs there")
    assert not judge(result("test_a"), result("test_b", "error"), made=made)
    elsewhere = result("test_b", "error", said="demo-worker-1: no answer")
    assert judge(result("test_a"), elsewhere, made=made)
    assert judge(result("test_a"), result("test_b"), made=made)


def test_what_was_red_before() -> None:
    """Nobody holds it against the suite, but it cannot prove that a check sees the fault."""
    ran = Results(
        tests=[result("test_a"), result("test_b")], exit=1, printed="printed", seconds=1.0
    )
    told = verdict.judge(fault(), {"test_a"}, VICTIM, ran, {"test_b"})
    assert told.exact
    assert told.red["test_b"].role == "before"
    (problem,) = verdict.judge(fault(), {"test_a"}, VICTIM, ran, {"test_a", "test_b"}).problems
    assert problem == "test_a was red before the fault"


def test_the_cause_is_named() -> None:
    """A message holds the words that the module wants there."""
    assert not judge(result("test_a"), made=fault(SAYS=("gone",)))
    (problem,) = judge(result("test_a"), made=fault(SAYS=("UDP 8472",)))
    assert "says 'UDP 8472'" in problem


def test_a_suite_that_cannot_begin() -> None:
    """Where the API itself is gone, the suite refuses with exit status 4, and says why."""
    made = fault(REFUSED=("etcd",))
    ran = Results(
        tests=[],
        exit=4,
        printed="ERROR: the cluster cannot be reached: etcd has no leader",
        seconds=9.0,
    )
    assert verdict.judge(made, set(), WHOLE_CLUSTER, ran).exact
    assert not verdict.judge(fault(REFUSED=("disk",)), set(), WHOLE_CLUSTER, ran).exact
    assert not verdict.judge(
        made, set(), WHOLE_CLUSTER, Results(tests=[], exit=1, printed=ran.printed, seconds=9.0)
    ).exact
