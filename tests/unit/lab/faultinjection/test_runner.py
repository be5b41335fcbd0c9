# SPDX-License-Identifier: Apache-2.0
"""The runner, with fakes of the cluster and the suite."""

from pathlib import Path

import pytest

from conformance.results.records import Result, Writer
from lab.faultinjection import catalog, recordings, runner, suite
from lab.faultinjection.catalog import Fault
from lab.faultinjection.context import Context, Victims
from lab.faultinjection.journal import Journal
from lab.faultinjection.results import Results
from lab.faultinjection.verdict import UNEXPECTED
from lab.harness import health
from lab.harness.cluster import Cluster
from tests.unit.lab.faultinjection.samples import VICTIM, fault, result


class FakeLab:
    """Fake of the cluster and the suite that records the order of calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.calls: list[str] = []
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
        """Check that the fault is in the journal before it is injected."""
        assert context.journal.fault == "vxlan-blocked"
        self.calls.append("inject")
        return VICTIM

    def heal(self, _: Context) -> None:
        """Record the call."""
        self.calls.append("heal")

    def on_cluster(self, _: Cluster, folder: Path, name: str, *options: str) -> Results:
        """Return the next prepared run."""
        assert folder == self.folder
        self.calls.append(" ".join([name, *options]))
        run = self.runs.pop(0)
        if isinstance(run, BaseException):
            raise run
        return run

    def prepare(self, *tests: Result) -> None:
        """Add a run of the suite with these results."""
        status = int(any(test.outcome != "passed" for test in tests))
        self.runs.append(Results(tests=list(tests), exit=status, printed="printed", seconds=1.0))


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeLab:
    """Return a fake lab."""
    return FakeLab(monkeypatch, tmp_path)


def test_successful_trial(lab: FakeLab) -> None:
    """The fault is injected, evaluated, healed and verified; then the journal is empty."""
    lab.prepare(result("test_a"), result("test_b", "passed"))
    lab.prepare(result("test_a", "passed"))
    record = runner.run(lab.fault, lab.context, lab.folder)
    assert record.passed
    again = "vxlan-blocked.healed conformance/tests/test_flannel.py::test_a"
    assert lab.calls == ["inject", "vxlan-blocked", "heal", again]
    assert lab.context.journal.fault == ""
    assert "exact, green again; 1 declared red, 0 others" in record.summary()
    kept = recordings.records(lab.folder)["vxlan-blocked"]
    assert recordings.summarize(kept).red == {"test_a": "declared"}


def test_flaky_check(lab: FakeLab) -> None:
    """An unexpectedly red check is repeated with the fault present, and has the role `once`."""
    lab.prepare(result("test_a"), result("test_b"), result("test_c"))
    lab.prepare(result("test_b", "passed"), result("test_c"))
    lab.prepare(result("test_a", "passed"), result("test_b", "passed"), result("test_c", "passed"))
    record = runner.run(lab.fault, lab.context, lab.folder)
    file = "conformance/tests/test_flannel.py"
    again = f"vxlan-blocked.again {file}::test_b {file}::test_c"
    assert lab.calls[:4] == ["inject", "vxlan-blocked", again, "heal"]
    assert {name: red.role for name, red in record.red.items()} == {
        "test_a": "declared", "test_b": "once", "test_c": UNEXPECTED,
    }  # fmt: skip
    assert not record.exact


def test_cluster_does_not_recover(lab: FakeLab) -> None:
    """The fault stays in the journal, and the record lists the red tests."""
    lab.prepare(result("test_a"))
    lab.prepare(result("test_a", message="demo-worker-0: still lost"))
    record = runner.run(lab.fault, lab.context, lab.folder)
    assert record.exact
    assert not record.passed
    assert "after healing: test_flannel.py::test_a[x]: demo-worker-0: still lost" in record.problems
    assert lab.context.journal.fault == "vxlan-blocked"


def test_interrupt_heals(lab: FakeLab) -> None:
    """The fault is healed if the suite is interrupted."""
    lab.runs.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        runner.run(lab.fault, lab.context, lab.folder)
    assert lab.calls == ["inject", "vxlan-blocked", "heal"]


def test_leftover_fault_is_healed(lab: FakeLab) -> None:
    """A fault in the journal is healed before the suite runs."""
    lab.context.journal.begin("vxlan-blocked")
    lab.prepare(result("test_a", "passed"))
    runner.baseline(lab.context, lab.folder)
    assert lab.calls == ["heal", "demo.baseline"]
    assert lab.context.journal.fault == ""


def test_unhealthy_cluster_is_rejected(lab: FakeLab) -> None:
    """If the suite does not pass before the fault, twice, the error lists the red tests."""
    lab.prepare(result("test_a", message="demo-worker-1: red once"))
    lab.prepare(result("test_b", message="demo-worker-1: red before"))
    with pytest.raises(runner.TrialError, match=r"test_b\[x\]: demo-worker-1: red before"):
        runner.baseline(lab.context, lab.folder)
    assert lab.calls == ["demo.baseline", "demo.baseline"]


def test_cluster_that_was_red_once(lab: FakeLab) -> None:
    """A suite that passes when it is repeated permits faults; none of its checks counts as red."""
    lab.prepare(result("test_a"))
    lab.prepare(result("test_a", "passed"))
    assert runner.baseline(lab.context, lab.folder) == set()


def test_reevaluate(lab: FakeLab) -> None:
    """Companions declared later are applied to an earlier run, without the cluster."""
    folder = lab.folder
    with Writer(folder / "vxlan-blocked.jsonl") as lines:
        lines.write({"format": 1})
        for test in (result("test_a"), result("test_b")):
            lines.write(test)
    (folder / "vxlan-blocked.log").write_text("")
    lab.prepare(result("test_a"), result("test_b"))
    lab.prepare(result("test_b"))
    lab.prepare(result("test_a"))
    assert len(runner.run(lab.fault, lab.context, folder).problems) == 2
    again = runner.reevaluate(fault(COMPANIONS={"test_b": "why"}), folder)
    assert again.exact
    assert not again.green
    assert again.problems == ["after healing: test_flannel.py::test_a[x]: demo-worker-0: lost"]


def test_keep(lab: FakeLab) -> None:
    """A kept fault is not healed and stays in the journal."""
    lab.prepare(result("test_a"))
    record = runner.run(lab.fault, lab.context, lab.folder, keep=True)
    assert lab.calls == ["inject", "vxlan-blocked"]
    assert record.exact
    assert lab.context.journal.fault == "vxlan-blocked"
