# SPDX-License-Identifier: Apache-2.0
"""The runner, on a cluster and a suite that are stand-ins."""

from pathlib import Path

import pytest

from conformance.results.records import Result, Writer
from lab.faultinjection import catalog, recordings, runner, suite
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import Context, Victims
from lab.faultinjection.journal import Journal
from lab.faultinjection.results import Results
from lab.harness import health
from lab.harness.cluster import Cluster
from tests.unit.lab.faultinjection.samples import VICTIM, fault, result


class Stage:
    """Stands for a cluster and the suite: remembers in which order what happened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.did: list[str] = []
        self.runs: list[Results | BaseException] = []
        self.folder = path
        cluster = Cluster("demo", {"nodes": {}})
        self.context = Context(cluster, Journal(path / "journal.json"))
        monkeypatch.setattr(suite, "on_cluster", self.on_cluster)
        monkeypatch.setattr(health, "wait_healthy", lambda *_: None)
        monkeypatch.setattr(catalog, "declared", lambda _: {"test_a"})
        monkeypatch.setattr(catalog, "fault", lambda _: self.fault)
        self.fault: Fault = fault(inject=self.inject, heal=self.heal, GREEN_SECONDS=0.0)

    def inject(self, context: Context) -> Victims:
        """The fault is written down before it is there."""
        assert context.journal.fault == "vxlan-blocked"
        self.did.append("inject")
        return VICTIM

    def heal(self, _: Context) -> None:
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
        self.runs.append(Results(tests=list(tests), exit=status, printed="printed", seconds=1.0))


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    """A cluster that is none."""
    return Stage(monkeypatch, tmp_path)


def test_a_trial_that_is_good(stage: Stage) -> None:
    """In, judged, out, green: in this order, and then nothing is written down any more."""
    stage.ran(result("test_a"), result("test_b", "passed"))
    stage.ran(result("test_a", "passed"))
    record = runner.run(stage.fault, stage.context, stage.folder)
    assert record.good
    again = "vxlan-blocked.healed conformance/tests/test_flannel.py::test_a"
    assert stage.did == ["inject", "vxlan-blocked", "heal", again]
    assert stage.context.journal.fault == ""
    assert "exact, green again; 1 declared red, 0 others" in record.line()
    kept = recordings.records(stage.folder)["vxlan-blocked"]
    assert recordings.in_short(kept).red == {"test_a": "declared"}


def test_a_stranger_that_does_not_stay_red(stage: Stage) -> None:
    """What nobody expects is asked again while the fault is in; chance is told as chance."""
    stage.ran(result("test_a"), result("test_b"), result("test_c"))
    stage.ran(result("test_b", "passed"), result("test_c"))
    stage.ran(result("test_a", "passed"), result("test_b", "passed"), result("test_c", "passed"))
    record = runner.run(stage.fault, stage.context, stage.folder)
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
    record = runner.run(stage.fault, stage.context, stage.folder)
    assert record.exact
    assert not record.good
    assert "after healing: test_flannel.py::test_a[x]: demo-worker-0: for ever" in record.problems
    assert stage.context.journal.fault == "vxlan-blocked"


def test_ctrl_c_heals(stage: Stage) -> None:
    """Whatever ends the suite, the fault is taken out."""
    stage.runs.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        runner.run(stage.fault, stage.context, stage.folder)
    assert stage.did == ["inject", "vxlan-blocked", "heal"]


def test_a_killed_trial_is_healed_by_the_next(stage: Stage) -> None:
    """What was written down is taken out before anything else is done to the cluster."""
    stage.context.journal.begin("vxlan-blocked")
    stage.ran(result("test_a", "passed"))
    runner.baseline(stage.context, stage.folder)
    assert stage.did == ["heal", "demo.baseline"]
    assert stage.context.journal.fault == ""


def test_no_fault_goes_into_a_cluster_that_is_not_sound(stage: Stage) -> None:
    """The suite has to be green before; what is red is told."""
    stage.ran(result("test_b", said="demo-worker-1: red before"))
    with pytest.raises(runner.TrialError, match=r"test_b\[x\]: demo-worker-1: red before"):
        runner.baseline(stage.context, stage.folder)


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
    assert len(runner.run(stage.fault, stage.context, folder).problems) == 2
    again = runner.judge_again(fault(COMPANIONS={"test_b": "why"}), folder)
    assert again.exact
    assert not again.green
    assert again.problems == ["after healing: test_flannel.py::test_a[x]: demo-worker-0: gone"]


def test_a_fault_may_be_kept(stage: Stage) -> None:
    """Whoever wants to look at it finds it in the cluster, and the next trial takes it out."""
    stage.ran(result("test_a"))
    record = runner.run(stage.fault, stage.context, stage.folder, keep=True)
    assert stage.did == ["inject", "vxlan-blocked"]
    assert record.exact
    assert stage.context.journal.fault == "vxlan-blocked"
