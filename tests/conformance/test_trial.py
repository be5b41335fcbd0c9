# SPDX-License-Identifier: Apache-2.0
"""The suite's trial: what is said of a run with a fault in the cluster, and what is kept of it."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conformance import layers
from conformance.faults import FAULTS
from conformance.results.records import Result, Writer
from lab.trial import catalog, corpus, results, suite, trial, verdict
from lab.trial.catalog import Fault
from lab.trial.journal import Journal
from lab.trial.results import Results
from lab.trial.scene import NOBODY, Scene, Victims
from tests.lab import health
from tests.lab.cluster import Cluster

VICTIM = Victims(("demo-worker-0",))


def fault(**said: Any) -> Fault:
    """A fault whose module says this."""
    module = ModuleType("vxlan_blocked")
    vars(module).update({"KIND": "real", **said})
    return Fault("vxlan-blocked", module)


def result(check: str, outcome: str = "failed", said: str = "demo-worker-0: gone") -> Result:
    """How one test of a check ended."""
    return Result(
        test=f"test_flannel.py::{check}[x]",
        check=check,
        layer="network",
        outcome=outcome,
        seconds=0.1,
        headline=said,
        detail=f"{said}\n  seen  …",
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


def test_what_was_red_before() -> None:
    """Nobody holds it against the suite, but it cannot prove that a check sees the fault."""
    ran = Results([result("test_a"), result("test_b")], 1, "printed", 1.0)
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
    ran = Results([], 4, "ERROR: the cluster cannot be reached: etcd has no leader", 9.0)
    assert verdict.judge(made, set(), NOBODY, ran).exact
    assert not verdict.judge(fault(REFUSED=("disk",)), set(), NOBODY, ran).exact
    assert not verdict.judge(made, set(), NOBODY, Results([], 1, ran.printed, 9.0)).exact


def test_where_a_check_is_found_again(tmp_path: Path) -> None:
    """After healing, pytest is told the checks that were red, whatever it was run on."""
    assert results.address(result("test_a")) == "conformance/tests/test_flannel.py::test_a"
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


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_has_a_module_and_a_check(name: str) -> None:
    """Nothing is only named: each fault can be made or replayed, and somebody says he sees it."""
    assert catalog.has_module(name)
    assert catalog.declared(name)


def test_all_modules_are_faults() -> None:
    """Nothing lies in the folder that is no fault's module."""
    there = {path.stem.replace("_", "-") for path in catalog.FOLDER.glob("[!_]*.py")}
    assert there <= set(FAULTS)


def test_checks_have_layers() -> None:
    """Every check of the suite is found, with the layer it belongs to."""
    found = catalog.checks()
    assert len(found) > 60
    assert {check.layer for check in found.values()} == set(layers.LAYERS)


# ---- a trial, on a cluster that is none ----


class Stage:
    """Stands for a cluster and the suite: remembers in which order what happened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.did: list[str] = []
        self.runs: list[Results | BaseException] = []
        self.folder = path
        cluster = Cluster("demo", {"nodes": {}})
        self.scene = Scene(cluster, Journal(path / "journal.json"))
        monkeypatch.setattr(suite, "on_cluster", self.on_cluster)
        monkeypatch.setattr(health, "await_whole", lambda *_: None)
        monkeypatch.setattr(catalog, "declared", lambda _: {"test_a"})
        monkeypatch.setattr(catalog, "fault", lambda _: self.fault)
        self.fault: Fault = fault(inject=self.inject, heal=self.heal, GREEN_SECONDS=0.0)

    def inject(self, scene: Scene) -> Victims:
        """The fault is written down before it is there."""
        assert scene.journal.fault == "vxlan-blocked"
        self.did.append("inject")
        return VICTIM

    def heal(self, _: Scene) -> None:
        """Only that it was called."""
        self.did.append("heal")

    def on_cluster(self, _: Cluster, folder: Path, name: str, *options: str) -> Results:
        """The next of the runs that were prepared."""
        assert folder == self.folder
        self.did.append(" ".join([name, *options]))
        ran = self.runs.pop(0)
        if isinstance(ran, BaseException):
            raise ran
        return ran

    def ran(self, *tests: Result) -> None:
        """Prepare a run of the suite."""
        status = int(any(test.outcome != "passed" for test in tests))
        self.runs.append(Results(list(tests), status, "printed", 1.0))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    """A cluster that is none."""
    return Stage(monkeypatch, tmp_path)


def test_a_trial_that_is_good(stage: Stage) -> None:
    """In, judged, out, green: in this order, and then nothing is written down any more."""
    stage.ran(result("test_a"), result("test_b", "passed"))
    stage.ran(result("test_a", "passed"))
    record = trial.hold(stage.fault, stage.scene, stage.folder)
    assert record.good
    again = "vxlan-blocked.healed conformance/tests/test_flannel.py::test_a"
    assert stage.did == ["inject", "vxlan-blocked", "heal", again]
    assert stage.scene.journal.fault == ""
    assert "exact, green again; 1 declared red, 0 others" in record.line()
    kept = corpus.records(stage.folder)["vxlan-blocked"]
    assert corpus.in_short(kept).red == {"test_a": "declared"}


def test_a_stranger_that_does_not_stay_red(stage: Stage) -> None:
    """What nobody expects is asked again while the fault is in; chance is told as chance."""
    stage.ran(result("test_a"), result("test_b"), result("test_c"))
    stage.ran(result("test_b", "passed"), result("test_c"))
    stage.ran(result("test_a", "passed"), result("test_b", "passed"), result("test_c", "passed"))
    record = trial.hold(stage.fault, stage.scene, stage.folder)
    file = "conformance/tests/test_flannel.py"
    again = f"vxlan-blocked.again {file}::test_b {file}::test_c"
    assert stage.did[:4] == ["inject", "vxlan-blocked", again, "heal"]
    assert {name: red.role for name, red in record.red.items()} == {
        "test_a": "declared", "test_b": "once", "test_c": "stranger",
    }  # fmt: skip
    assert not record.exact


def test_what_does_not_become_green_is_told(stage: Stage) -> None:
    """The fault stays written down, and the record says what is red."""
    stage.ran(result("test_a"))
    stage.ran(result("test_a", said="demo-worker-0: for ever"))
    record = trial.hold(stage.fault, stage.scene, stage.folder)
    assert record.exact
    assert not record.good
    assert "after healing: test_flannel.py::test_a[x]: demo-worker-0: for ever" in record.problems
    assert stage.scene.journal.fault == "vxlan-blocked"


def test_ctrl_c_heals(stage: Stage) -> None:
    """Whatever ends the suite, the fault is taken out."""
    stage.runs.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        trial.hold(stage.fault, stage.scene, stage.folder)
    assert stage.did == ["inject", "vxlan-blocked", "heal"]


def test_a_killed_trial_is_healed_by_the_next(stage: Stage) -> None:
    """What was written down is taken out before anything else is done to the cluster."""
    stage.scene.journal.begin("vxlan-blocked")
    stage.ran(result("test_a", "passed"))
    trial.baseline(stage.scene, stage.folder)
    assert stage.did == ["heal", "demo.baseline"]
    assert stage.scene.journal.fault == ""


def test_no_fault_goes_into_a_cluster_that_is_not_sound(stage: Stage) -> None:
    """The suite has to be green before; what is red is told."""
    stage.ran(result("test_b", said="demo-worker-1: red before"))
    with pytest.raises(trial.TrialError, match=r"test_b\[x\]: demo-worker-1: red before"):
        trial.baseline(stage.scene, stage.folder)


def test_a_run_is_judged_again(stage: Stage) -> None:
    """What a module explains later is taken into account, without the cluster."""
    folder = stage.folder
    with Writer(folder / "vxlan-blocked.jsonl") as lines:
        lines.write({"format": 1})
        for test in (result("test_a"), result("test_b")):
            lines.write(test)
    (folder / "vxlan-blocked.log").write_text("")
    stage.ran(result("test_a"), result("test_b"))
    stage.ran(result("test_b"))
    stage.ran(result("test_a"))
    assert len(trial.hold(stage.fault, stage.scene, folder).problems) == 2
    again = trial.judge_again(fault(COMPANIONS={"test_b": "why"}), folder)
    assert again.exact
    assert not again.green
    assert again.problems == ["after healing: test_flannel.py::test_a[x]: demo-worker-0: gone"]


def test_a_fault_may_be_kept(stage: Stage) -> None:
    """Whoever wants to look at it finds it in the cluster, and the next trial takes it out."""
    stage.ran(result("test_a"))
    record = trial.hold(stage.fault, stage.scene, stage.folder, keep=True)
    assert stage.did == ["inject", "vxlan-blocked"]
    assert record.exact
    assert stage.scene.journal.fault == "vxlan-blocked"
