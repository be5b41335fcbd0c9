# SPDX-License-Identifier: Apache-2.0
"""``heatgen restore``: phases, and continuation after an interruption."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from heatgen.cli import restore as command
from heatgen.cli.main import main
from heatgen.cloud import stack
from heatgen.cloud.errors import CloudFailed
from heatgen.plan import restore
from heatgen.yamlio.codes import Code
from tests.unit.heatgen.support.fake_heat import STACK, Heat, created

Capture = pytest.CaptureFixture[str]
OLD = {"file": "etcd-a.backup", "taken": "2026-11-30T04:00:00Z", "revision": 5, "keys": 3,
       "sha256": "a" * 64}  # fmt: skip
NEW = OLD | {"file": "etcd-b.backup", "taken": "2026-11-30T10:00:00Z", "sha256": "b" * 64}


class Nodes:
    """Three control-plane nodes that execute each phase of an update."""

    def __init__(self) -> None:
        self.archives: dict[str, list[dict[str, Any]]] = {
            "demo-control-0": [OLD], "demo-control-1": [NEW, OLD], "demo-control-2": [],
        }  # fmt: skip
        self.requests: list[str] = []
        self.phases: list[str] = []
        self.parameters = {"restore": "", "restored": ""}
        self.fail: dict[str, CloudFailed] = {}
        """Failures of updates by phase; nodes execute the phase nevertheless."""
        self.silent: set[str] = set()
        """Phases that the last node does not execute."""

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs of the stack."""
        done = " ".join(self.parameters["restore"].split()[:2])
        phase = done.partition(" ")[2]
        last = "" if phase in self.silent else done
        states = [json.dumps({"node": name, "archives": found}) for name, found in
                  self.archives.items()]  # fmt: skip
        return {
            "restore": {"0": done, "1": done, "2": last},
            "backups": {str(index): text for index, text in enumerate(states)},
        }

    def update(self, _: object, changes: Mapping[str, str], *__: object) -> None:
        """Execute an update."""
        self.parameters |= changes
        self.requests.append(changes["restore"])
        phase = changes["restore"].split()[1]
        self.phases.append(phase)
        if phase in self.fail:
            raise self.fail.pop(phase)


@pytest.fixture
def nodes(heat: Heat, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    """Return the nodes of a stack."""
    created(heat, well=True)
    found = Nodes()

    def get(name: str, *_: object, **__: object) -> stack.Stack:
        return stack.Stack(
            name=name,
            identity="id",
            action="UPDATE",
            status="COMPLETE",
            reason="",
            parameters=dict(found.parameters),
            outputs=found.outputs,
        )

    monkeypatch.setattr(stack, "get", get)
    monkeypatch.setattr(command, "_update", found.update)
    return found


def test_restore(nodes: Nodes, capsys: Capture) -> None:
    """The newest backup of all nodes is used; a phase follows after the other."""
    assert main(["restore", STACK, "--yes"]) == 0
    assert nodes.phases == list(restore.PHASES)
    identity = nodes.parameters["restored"]
    assert re.fullmatch("[0-9a-f]{16}", identity)
    assert nodes.parameters["restore"] == f"{identity} done"
    err = capsys.readouterr().err
    assert "etcd-b.backup of node demo-control-1: taken 2026-11-30T10:00:00Z" in err
    assert f"/var/lib/etcd/before-{identity}" in err


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("demo-control-0", "demo-control-0 etcd-a.backup"),
        ("demo-control-1:etcd-a.backup", "demo-control-1 etcd-a.backup"),
    ],
)
def test_source(nodes: Nodes, source: str, place: str) -> None:
    """A node, or a file on a node, can be chosen."""
    assert main(["restore", STACK, "--yes", "--from", source]) == 0
    assert [text.split(" ", 2)[2] for text in nodes.requests[1:4]] == [f"{place} {'a' * 64}"] * 3


@pytest.mark.parametrize("source", ["demo-control-2", "demo-control-0:etcd-b.backup", "x", ":y"])
def test_unknown_source(nodes: Nodes, capsys: Capture, source: str) -> None:
    """A backup that does not exist is an error, and nothing is changed."""
    assert main(["restore", STACK, "--yes", "--from", source]) == 1
    assert nodes.phases == ["list"]
    err = capsys.readouterr().err
    assert "error[no-backups]: " in err
    assert "demo-control-1:etcd-b.backup" in err


def test_no_backup(nodes: Nodes, capsys: Capture) -> None:
    """Without any backup the command fails."""
    nodes.archives = {name: [] for name in nodes.archives}
    assert main(["restore", STACK, "--yes"]) == 1
    assert "there is no backup on any control-plane node" in capsys.readouterr().err


def test_confirmation_is_required(nodes: Nodes, capsys: Capture) -> None:
    """Without a terminal and --yes nothing is restored."""
    assert main(["restore", STACK]) == 2
    assert nodes.phases == ["list"]
    assert "error[confirmation-required]: " in capsys.readouterr().err


def failed(reason: str) -> CloudFailed:
    """Return the failure of an update."""
    return CloudFailed(reason, "", code=Code.STACK_FAILED)


def test_refused_backup(nodes: Nodes, capsys: Capture) -> None:
    """If the node refuses the backup, no later phase is executed."""
    nodes.fail["check"] = failed("kvstore/backup on demo-control-1: is of another cluster")
    nodes.silent.add("check")
    assert main(["restore", STACK, "--yes"]) == 1
    assert nodes.phases == ["list", "check"]
    assert "is of another cluster" in capsys.readouterr().err


def test_other_failures(nodes: Nodes) -> None:
    """Other steps may fail while etcd is down, if all nodes have executed the phase."""
    nodes.fail = {phase: failed("kvstore/start") for phase in ("list", "check", "stop", "start")}
    assert main(["restore", STACK, "--yes"]) == 0
    assert nodes.phases == list(restore.PHASES)


def test_failure_at_the_end(nodes: Nodes) -> None:
    """In the last phase everything must succeed."""
    nodes.fail["done"] = failed("orchestration/node on demo-worker-0: the kubelet")
    assert main(["restore", STACK, "--yes"]) == 1


def test_node_without_report(nodes: Nodes, capsys: Capture) -> None:
    """A node that does not report a phase is named, although the update succeeded."""
    nodes.silent.add("stop")
    assert main(["restore", STACK, "--yes"]) == 1
    assert nodes.phases == ["list", "check", "stop"]
    assert "error[restore-incomplete]: control-2 did not report the phase stop" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("phase", "rest"), [("stop", ["stop", "start", "done"]), ("start", ["start", "done"])]
)
def test_continuation(nodes: Nodes, capsys: Capture, phase: str, rest: list[str]) -> None:
    """A restore that has stopped services is continued with the same backup."""
    source = restore.Source(node="demo-control-1", file="etcd-b.backup", sha256="b" * 64)
    nodes.parameters |= restore.parameters("0123456789abcdef", phase, source)
    assert main(["restore", STACK, "--from", "demo-control-0"]) == 1
    assert "error[restore-interrupted]: " in capsys.readouterr().err
    assert nodes.phases == []
    assert main(["restore", STACK]) == 0
    assert nodes.phases == rest
    assert nodes.parameters["restored"] == "0123456789abcdef"


@pytest.mark.parametrize("phase", ["list", "check", "done"])
def test_new_restore(nodes: Nodes, phase: str) -> None:
    """A restore that has changed nothing, or has ended, is not continued."""
    source = restore.Source(node="demo-control-1", file="etcd-b.backup", sha256="b" * 64)
    nodes.parameters |= restore.parameters("0123456789abcdef", phase, source)
    assert main(["restore", STACK, "--yes"]) == 0
    assert nodes.phases == list(restore.PHASES)
    assert nodes.parameters["restored"] != "0123456789abcdef"


def test_old_stack(heat: Heat, capsys: Capture) -> None:
    """A stack of an older template has no parameter for a restore."""
    created(heat, well=True)
    heat.there, heat.status = True, "CREATE_COMPLETE"
    assert main(["restore", STACK, "--yes"]) == 1
    assert "error[missing-stack-parameter]: " in capsys.readouterr().err
