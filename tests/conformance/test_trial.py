# SPDX-License-Identifier: Apache-2.0
"""The suite's trial: what is said of a run with a fault in the cluster, and what is kept of it."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conformance import options
from conformance.detects import FAULTS
from conformance.results import Result
from lab.trial import catalog, results, verdict
from lab.trial.catalog import Fault
from lab.trial.journal import Journal
from lab.trial.results import Results
from lab.trial.scene import NOBODY, Victims

VICTIM = Victims(("demo-worker-0",))


def fault(**said: Any) -> Fault:
    """A fault whose module says this."""
    module = ModuleType("vxlan_blocked")
    vars(module).update({"KIND": "real", **said})
    return Fault("vxlan-blocked", module)


def result(check: str, outcome: str = "failed", said: str = "demo-worker-0: gone") -> Result:
    """How one test of a check ended."""
    return Result(
        f"test_network.py::{check}[x]", check, "network", outcome, 0.1, said, f"{said}\n  seen  …"
    )


def judge(
    *tests: Result, made: Fault | None = None, victims: Victims = VICTIM, status: int = 1
) -> list[str]:
    """The problems with a run that had to see the fault by the check `test_a`."""
    ran = Results([*tests, result("test_z", "passed")], status, "printed", 1.0)
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
    assert not judge(result("test_a", said="no leader"), victims=NOBODY)


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


def test_the_cause_is_named() -> None:
    """A message holds the words that the module wants there."""
    assert not judge(result("test_a"), made=fault(SAYS=("gone",)))
    (problem,) = judge(result("test_a"), made=fault(SAYS=("UDP 8472",)))
    assert "says 'UDP 8472'" in problem


def test_a_suite_that_cannot_begin() -> None:
    """Where the API itself is gone, the suite refuses with exit status 4, and says why."""
    made = fault(REFUSED=("etcd",))
    ran = Results([], 4, "ERROR: the cluster cannot be reached: etcd has no leader", 9.0)
    assert verdict.judge(made, set(), NOBODY, ran).exact
    assert not verdict.judge(fault(REFUSED=("disk",)), set(), NOBODY, ran).exact
    assert not verdict.judge(made, set(), NOBODY, Results([], 1, ran.printed, 9.0)).exact


def test_where_a_check_is_found_again(tmp_path: Path) -> None:
    """After healing, pytest is told the checks that were red, whatever it was run on."""
    assert results.address(result("test_a")) == "conformance/test_network.py::test_a"
    assert results.read(tmp_path / "none.jsonl") == []


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


# ---- the catalog ----


@pytest.mark.parametrize("name", sorted(catalog.faults()))
def test_module_says_what_it_must(name: str) -> None:
    """Each module is of a kind and has its functions; its companions are checks that exist."""
    made = catalog.fault(name)
    assert made.kind in catalog.KINDS
    assert made.needs in catalog.NEEDS
    assert made.how.endswith(".")
    for function in ("alter",) if made.replayed else ("inject", "heal"):
        assert callable(getattr(made.module, function, None)), function
    companions = [each for each in made.companions if not each.endswith("*")]
    assert set(companions) <= set(catalog.checks())
    assert not set(companions) & catalog.declared(name), "what is declared is no companion"
    assert all(made.companions.values()), "each companion has its reason"


def test_all_modules_are_faults() -> None:
    """Nothing lies in the folder that is no fault's module."""
    there = {path.stem.replace("_", "-") for path in catalog.FOLDER.glob("[!_]*.py")}
    assert there <= set(FAULTS)


def test_checks_have_layers() -> None:
    """Every check of the suite is found, with the layer it belongs to."""
    found = catalog.checks()
    assert len(found) > 60
    assert {check.layer for check in found.values()} == set(options.LAYERS)
