# SPDX-License-Identifier: Apache-2.0
"""Order and results of the actions, with fake commands, a fake cloud and fake nodes."""

import json
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from cloudring import cloud as openstack
from cloudring import ring
from cloudring.commands import ActionFailed
from cloudring.nodes import CPU_SCRIPT, Node
from cloudring.options import MINUTES, Options, Target
from cloudring.report import SystemResult
from conformance.outcome import InconclusiveError
from conformance.results.records import Result

OPTIONS = Options(targets=(Target("debian-12", "debian", "x"),), minutes=MINUTES)


class FakeCommands:
    """Commands of heatgen that succeed, except those in `failing`."""

    def __init__(self, directory: Path, failing: tuple[str, ...], outcome: str) -> None:
        self.directory, self.failing, self.outcome = directory, failing, outcome
        self.stop, self.log = threading.Event(), directory / "log"
        self.ran: list[str] = []

    def heatgen(self, *words: str, seconds: float, check: bool = True, final: bool = False) -> int:
        """Record a command; the suite writes its results, and a deletion deletes."""
        self.ran.append(words[0])
        if words[0] in self.failing:
            raise ActionFailed(f"heatgen {words[0]}: broken")
        if words[0] == "test":
            self._write(self.directory / words[words.index("--results") + 1])
        return 0

    def _write(self, file: Path) -> None:
        result = Result(test="m::t", check="t", layer="os", outcome=self.outcome, seconds=1)
        footer = {"ended": 2.0, "exit": 0, "notes": []}
        lines = [{"format": 1, "began": 1.0}, asdict(result), footer]
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


class FakeShell:
    """Nodes that boot when they are restarted."""

    def __init__(self, ostree: str) -> None:
        self.ostree, self.boots, self.marked = ostree, 0, False
        self.staged = self.marked
        self.scripts: list[str] = []
        self.cluster = self

    def now(self) -> Any:
        """Return a clock."""
        return self

    def timestamp(self) -> float:
        """Return the time."""
        return 0.0

    def nodes(self) -> list[Node]:
        """Return a worker and a control-plane node."""
        return [Node("w", False, "192.0.2.2"), Node("c", True, "192.0.2.1")]

    def boot(self, node: str) -> str:
        """Return the number of boots."""
        return str(self.boots)

    def ready_since(self, node: str, moment: float) -> bool:
        """Return that the node is Ready."""
        return True

    def renew(self, node: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def run(self, node: str, script: str, *, on_host: bool = False) -> str:
        """Run a known script."""
        self.scripts.append(script)
        if script == CPU_SCRIPT:
            return f"{100 + len(self.scripts)} {len(self.scripts) * 10}"
        if script == ring.FIND_OSTREE:
            return f"/usr/bin/{self.ostree}" if self.ostree else ""
        if script == ring.HAS_MARK:
            return "yes" if self.marked else "no"
        if script == ring.REBOOT:
            self.boots, self.marked = self.boots + 1, self.staged
        self.staged = {
            ring.DEPLOY.get(self.ostree): True,
            ring.ROLL_BACK.get(self.ostree): False,
        }.get(script, self.staged)
        return ""


Runner = Callable[..., tuple[ring.Ring, FakeCommands]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Return a function that runs all actions."""

    def start(
        *failing: str,
        ostree: str = "",
        outcome: str = "passed",
        left: tuple[str, ...] = (),
        interrupted: bool = False,
        **options: Any,
    ) -> tuple[ring.Ring, FakeCommands]:
        commands = FakeCommands(tmp_path, failing, outcome)
        if interrupted:
            commands.stop.set()
        shell = FakeShell(ostree)

        def reboot(address: str, name: str, cloud: object, seconds: float) -> None:
            shell.boots += 1

        def exists(name: str, cloud: object) -> bool:
            return "create" in commands.ran and (
                "delete" not in commands.ran or "delete" in commands.failing
            )

        monkeypatch.setattr(ring, "IDLE_SECONDS", 0)
        monkeypatch.setattr(ring.Ring, "_shell", lambda self: shell)
        monkeypatch.setattr(openstack, "reboot", reboot)
        monkeypatch.setattr(openstack, "exists", exists)
        monkeypatch.setattr(openstack, "resources", lambda name, cloud: {})
        monkeypatch.setattr(openstack, "left", lambda name, before, cloud: list(left))
        result = SystemResult(name="debian-12", block="debian", image="x", stack="ring-1")
        parts: Any = (result, replace(OPTIONS, **options), commands, None, lambda _: None)
        found = ring.Ring(*parts)
        found.run()
        return found, commands

    return start


def verdicts(found: ring.Ring) -> dict[str, str]:
    """Return the verdicts of the actions."""
    return {action.name: action.verdict for action in found.result.actions}


GREEN = {
    "create": "passed", "suite": "passed", "idle agent": "passed", "reboot worker": "passed",
    "reboot control plane": "passed", "suite after reboot": "passed", "rollback": "skipped",
    "delete": "passed",
}  # fmt: skip


def test_all_actions(run: Runner) -> None:
    """A system without ostree has all actions but the rollback."""
    found, commands = run()
    assert verdicts(found) == GREEN
    assert commands.ran == ["create", "kubeconfig", "test", "test", "delete"]
    assert found.result.verdict == "passed"
    assert [item.when for item in found.result.suites] == ["after create", "after reboot"]
    assert set(found.result.agent_cpu) == {"w", "c"}
    assert found.result.create_seconds is not None


@pytest.mark.parametrize("program", ["rpm-ostree", "ostree"])
def test_rollback(program: str, run: Runner) -> None:
    """A system with ostree boots a second deployment and the first one again."""
    found, _ = run(ostree=program)
    expected = {**GREEN, "rollback": "passed", "suite after rollback": "passed"}
    assert verdicts(found) == expected
    assert found.result.suites[-1].when == "after rollback"


def test_failed_creation(run: Runner) -> None:
    """After a failed creation logs are collected, and the stack is deleted."""
    found, commands = run("create")
    assert verdicts(found) == {"create": "failed", "logs": "passed", "delete": "passed"}
    assert commands.ran == ["create", "logs", "delete"]
    assert found.result.reason == "create: heatgen create: broken"


def test_failed_suite(run: Runner) -> None:
    """The other actions run also after a failed suite."""
    found, _ = run(outcome="failed")
    assert verdicts(found)["suite"] == verdicts(found)["suite after reboot"] == "failed"
    assert verdicts(found)["reboot worker"] == verdicts(found)["delete"] == "passed"
    assert found.result.suites[0].failed == 1
    assert "1 test failed: t" in found.result.reason


def test_failed_deletion(run: Runner) -> None:
    """The deletion is tried twice; then the stack is left."""
    found, commands = run("delete")
    assert commands.ran.count("delete") == 2
    assert found.result.left == ["stack ring-1"]
    assert found.result.verdict == "failed"


def test_left_resources(run: Runner) -> None:
    """Resources that exist after the deletion are a failure."""
    found, _ = run(left=("port p",))
    assert verdicts(found)["delete"] == "failed"
    assert found.result.left == ["port p"]


def test_kept_clusters(run: Runner) -> None:
    """Clusters are kept as the options demand."""
    assert "delete" not in run(keep=True)[1].ran
    assert "delete" in run(keep_failed=True)[1].ran
    found, commands = run("test", keep_failed=True)
    assert "delete" not in commands.ran
    assert found.result.kept


def test_skipped_actions(run: Runner) -> None:
    """Actions are omitted as the options demand."""
    found, commands = run(skip=frozenset({"cpu", "reboot", "rollback"}))
    skipped = {"idle agent": "skipped", "reboot worker": "skipped", "rollback": "skipped"}
    expected = {"create": "passed", "suite": "passed", **skipped, "delete": "passed"}
    assert verdicts(found) == expected
    assert commands.ran == ["create", "kubeconfig", "test", "delete"]


def test_interruption(run: Runner) -> None:
    """After an interruption nothing is created, and what exists is deleted."""
    found, commands = run(interrupted=True)
    assert verdicts(found) == {"create": "skipped", "delete": "passed"}
    assert commands.ran == []


def test_unreachable_node(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of the API are the reason of an action, without the name of their type."""

    def unreachable(self: ring.Ring) -> None:
        raise InconclusiveError("no answer")

    monkeypatch.setattr(ring.Ring, "_idle", unreachable)
    found, _ = run()
    assert found.result.reason == "idle agent: no answer"
