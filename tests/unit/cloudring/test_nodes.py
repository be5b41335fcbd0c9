# SPDX-License-Identifier: Apache-2.0
"""Pods that run scripts on nodes, and the scripts."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from cloudring import nodes
from cloudring.commands import ActionFailed
from conformance.api.client import ApiStatusError
from conformance.api.execute import CommandResult
from conformance.outcome import InconclusiveError

Json = dict[str, Any]


def never() -> bool:
    """Return that the run was not interrupted."""
    return False


def sh(script: str) -> str:
    """Run a script with this machine's shell."""
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_boot_script() -> None:
    """The script prints the boot id and a number, the same twice."""
    first = sh(nodes.BOOT_SCRIPT)
    identity, start = first.split()
    assert len(identity) == 36
    assert start.isdigit()
    assert sh(nodes.BOOT_SCRIPT) == first


def test_cpu_script() -> None:
    """The script prints ticks and the uptime; this machine has no agent."""
    ticks, uptime = sh(nodes.CPU_SCRIPT).split()
    assert ticks.isdigit()
    assert float(uptime) > 0


def test_share_of_a_processor() -> None:
    """Ticks and seconds give percent; missing processes are an error."""
    assert nodes.share("100 50.0", "160 110.0") == 1.0
    for before, after in (("0 1.0", "0 2.0"), ("50 1.0", "10 61.0")):
        with pytest.raises(ActionFailed, match="heatgen-agent"):
            nodes.share(before, after)


def test_wait_repeats_failed_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that fail while the API restarts are repeated; the last error is reported."""
    monkeypatch.setattr(nodes, "_PAUSE", 0)
    answers: list[Callable[[], bool]] = [fail, lambda: False, lambda: True]

    def request() -> bool:
        return answers.pop(0)()

    assert nodes.wait_for("it", 10, request, never)
    with pytest.raises(ActionFailed, match="it: no success after 0 s: refused"):
        nodes.wait_for("it", 0, fail, never)
    with pytest.raises(ActionFailed, match="interrupted"):
        nodes.wait_for("it", 10, fail, lambda: True)


def fail() -> bool:
    """Fail as a request."""
    raise InconclusiveError("refused")


class FakeCluster:
    """An API with nodes, namespaces, and pods that run at once."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Json]] = {"namespaces": {}, "pods": {}}
        self.commands: list[list[str]] = []
        self.result = CommandResult(0, "output\n", "")

    def items(self, path: str) -> list[Json]:
        """Return the items of a collection."""
        if path.endswith("/nodes"):
            return [node("c", control=True), node("w", control=False)]
        return list(self.objects[path.rpartition("/")[2]].values())

    def create(self, manifest: Json) -> None:
        """Create an object; pods run at once."""
        kind = {"Namespace": "namespaces", "Pod": "pods"}[manifest["kind"]]
        state = {"status": {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}}
        self.objects[kind][manifest["metadata"]["name"]] = manifest | state

    def delete(self, path: str, at_once: bool = False) -> None:
        """Delete an object."""
        kind, name = path.split("/")[-2:]
        self.objects[kind].pop(name, None)
        if kind == "namespaces":
            self.objects["pods"].clear()

    def get(self, path: str) -> Json:
        """Return the lease of a node."""
        if not path.endswith("/w"):
            raise ApiStatusError(404, "not found")
        return {"spec": {"renewTime": "2026-11-30T10:00:00.000000Z"}}

    def execute(self, namespace: str, pod: str, command: list[str], seconds: float) -> object:
        """Record a command; return the result."""
        self.commands.append(command)
        return self.result


def node(name: str, *, control: bool) -> Json:
    """Return a Node object that is Ready."""
    labels = {"node-role.kubernetes.io/control-plane": ""} if control else {}
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> nodes.NodeShell:
    """Return a shell on the fake cluster."""
    monkeypatch.setattr(nodes, "_PAUSE", 0)
    return nodes.NodeShell(FakeCluster(), "", never)  # type: ignore[arg-type]


def test_run(shell: nodes.NodeShell) -> None:
    """A pod is created once, and runs the script; on the host through nsenter."""
    assert [each.name for each in shell.nodes()] == ["w", "c"]
    assert shell.run("w", "echo") == "output"
    shell.run("w", "echo", on_host=True)
    fake = shell.cluster
    assert fake.commands[0] == ["sh", "-c", "echo"]  # type: ignore[attr-defined]
    assert fake.commands[1][0] == "nsenter"  # type: ignore[attr-defined]
    assert list(fake.objects["pods"]) == ["shell-w"]  # type: ignore[attr-defined]
    shell.close()
    assert not fake.objects["namespaces"]  # type: ignore[attr-defined]


def test_failed_script(shell: nodes.NodeShell) -> None:
    """A script that fails is an error with its output."""
    shell.cluster.result = CommandResult(3, "", "no such thing")  # type: ignore[attr-defined]
    with pytest.raises(ActionFailed, match="on w: exit status 3: no such thing"):
        shell.run("w", "false")


def test_ready_since(shell: nodes.NodeShell) -> None:
    """A node has returned when its kubelet reported after the boot."""
    moment = 1796032800.0  # 2026-11-30 10:00 UTC
    assert shell.ready_since("w", moment - 1)
    assert not shell.ready_since("w", moment)


def test_pod_of_another_image() -> None:
    """Images other than agnhost need only a shell and sleep."""
    assert nodes.pod("w", "busybox")["spec"]["containers"][0]["command"] == ["sleep", "86400"]
