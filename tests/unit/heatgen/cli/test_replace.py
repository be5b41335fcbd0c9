# SPDX-License-Identifier: Apache-2.0
"""``heatgen replace``: one server is drained, stopped, marked as unhealthy and replaced."""

import copy
import io
import sys
from typing import Any

import pytest

from heatgen.cli import member_update
from heatgen.cli.main import main
from heatgen.cloud import members
from tests.unit.heatgen.cli.conftest import update_ends
from tests.unit.heatgen.support import fake_nova
from tests.unit.heatgen.support.fake_heat import STACK, Heat
from tests.unit.heatgen.support.fake_kubernetes import NODE_LEASES, Kubernetes
from tests.unit.heatgen.support.fake_nova import Nova

Capture = pytest.CaptureFixture[str]
NESTED = f"/stacks/{STACK}-workers-x4ptvpyithc6/id/resources"


def replace(kubernetes: Kubernetes, node: str, *words: str) -> int:
    """Run the command."""
    return main(["replace", STACK, node, "--kubeconfig", kubernetes.kubeconfig, *words])


def requests(heat: Heat) -> list[tuple[str, Any]]:
    """Return the changes of resources and the update: path and flag, or parameters."""
    return [
        (path, body.get("mark_unhealthy", body.get("parameters"))) for _, path, body in heat.sent
    ]


@pytest.fixture
def three(running: Heat, nova: Nova, kubernetes: Kubernetes) -> Kubernetes:
    """Return a cluster with three control-plane nodes."""
    running.resources.clear()
    nova.statuses.clear()
    declared = running.template["resources"]
    for index in (1, 2):
        declared[f"control_{index}"] = copy.deepcopy(declared["control_0"])
        name = declared[f"control_{index}"]["properties"]["name"]
        name["list_join"][1][-1] = str(index)
        kubernetes.node(f"demo-control-{index}")
    fake_nova.populate(running, nova, control=3, workers=("0", "1", "2"))
    return kubernetes


def test_worker(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """Only the member in the nested stack is marked; no parameter changes.

    The old server is stopped before: the new one has the same name.
    """
    assert replace(kubernetes, "demo-worker-1", "--yes", "--reason", "slow disk") == 0
    mark, update = requests(running)
    assert mark == (f"{NESTED}/1", True)
    assert update[1] == {}
    assert running.sent[0][2]["resource_status_reason"] == "slow disk"
    assert "template" not in running.sent[1][2]
    assert kubernetes.evicted() == ["web-1"]
    assert nova.actions == [("stop", "workers1")]
    assert kubernetes.cordoned() == []
    assert "demo-worker-1" in kubernetes.nodes()
    assert "node demo-worker-1: replaced" in capsys.readouterr().err


def test_control_plane(running: Heat, nova: Nova, three: Kubernetes) -> None:
    """A control-plane node is marked in the cluster's stack."""
    assert replace(three, "demo-control-0", "--yes") == 0
    path, flag = requests(running)[0]
    assert path.startswith(f"/stacks/{STACK}/")
    assert (path.rsplit("/", 1)[-1], flag) == ("control_0", True)
    assert nova.actions == [("stop", "control_0")]


def test_only_control_plane_node(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """The only control-plane node is not replaced: etcd would be lost."""
    assert replace(kubernetes, "demo-control-0", "--yes") == 7
    assert "error[no-majority]: control-plane node demo-control-0" in capsys.readouterr().err
    assert (running.sent, nova.actions, kubernetes.cordoned()) == ([], [], [])


def test_other_control_plane_node_is_down(running: Heat, nova: Nova, three: Kubernetes) -> None:
    """With another control-plane node that is not Ready, no one is replaced except that one."""
    three.node("demo-control-1", ready=False)
    assert replace(three, "demo-control-0", "--yes") == 7
    assert (running.sent, nova.actions) == ([], [])
    nova.then["stop"] = lambda: three.node("demo-control-1")
    assert replace(three, "demo-control-1", "--yes") == 0


def test_etcd_does_not_accept_changes(
    running: Heat, nova: Nova, three: Kubernetes, capsys: Capture
) -> None:
    """If etcd has no majority after the stop, the server is started again; nothing is replaced."""
    nova.then = {
        "stop": lambda: setattr(three, "away", True),
        "start": lambda: setattr(three, "away", False),
    }
    assert replace(three, "demo-control-2", "--yes") == 7
    assert nova.actions == [("stop", "control_2"), ("start", "control_2")]
    assert running.sent == []
    err = capsys.readouterr().err
    assert "error[no-majority]: etcd does not accept changes without" in err
    assert "server demo-control-2: started again" in err


def test_budget(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """A budget that refuses the drain leaves server and node as they were."""
    kubernetes.budgets["web-1"] = "The disruption budget db needs 3 healthy pods and has 3"
    words = ("--yes", "--drain-timeout", "1")
    assert replace(kubernetes, "demo-worker-1", *words) == 7
    assert (running.sent, nova.actions, kubernetes.cordoned()) == ([], [], [])


def test_node_that_is_not_ready(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """Pods of a node that is not Ready are given up after its server is stopped."""
    kubernetes.node("demo-worker-1", ready=False)
    running.then[0] = lambda: kubernetes.node("demo-worker-1")
    kubernetes.budgets["web-1"] = "it is not evicted"
    assert replace(kubernetes, "demo-worker-1", "--yes") == 0
    assert nova.actions == [("stop", "workers1")]
    assert kubernetes.evicted() == []
    assert "out-of-service" in str(kubernetes.sent)
    assert "out-of-service" not in str(kubernetes.objects)


def test_node_that_does_not_return(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A node whose new kubelet does not report is not regarded as Ready."""
    monkeypatch.setattr(member_update, "READY_SECONDS", 0.1)
    old = "2026-01-01T00:00:00.000000Z"
    kubernetes.objects[f"{NODE_LEASES}/demo-worker-1"]["spec"]["renewTime"] = old
    assert replace(kubernetes, "demo-worker-1", "--yes") == 1
    assert "error[repair-failed]: the new node demo-worker-1" in capsys.readouterr().err


def test_update_that_cannot_begin(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The mark is removed, and the server started: another update would replace it."""

    def begin() -> None:
        running.status = "UPDATE_IN_PROGRESS"

    nova.then["stop"] = begin
    assert replace(kubernetes, "demo-worker-1", "--yes") == 1
    assert requests(running) == [(f"{NESTED}/1", True), (f"{NESTED}/1", False)]
    assert nova.actions == [("stop", "workers1"), ("start", "workers1")]
    assert kubernetes.cordoned() == []
    assert "error[stack-not-complete]: " in capsys.readouterr().err


def test_failed_update(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """After a failed update the node stays cordoned; the same command repeats it."""
    running.then.clear()
    update_ends(running, "FAILED")
    assert replace(kubernetes, "demo-worker-1", "--yes") == 1
    assert kubernetes.cordoned() == ["demo-worker-1"]
    running.status = "UPDATE_FAILED"
    update_ends(running)
    assert replace(kubernetes, "demo-worker-1", "--yes") == 0
    assert kubernetes.cordoned() == []


@pytest.mark.parametrize("name", ["worker", "workers"])
def test_group(
    name: str, running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """A whole group is refused, with the reason."""
    assert replace(kubernetes, name, "--yes") == 2
    err = capsys.readouterr().err
    assert f"NODE: error[invalid-argument]: no node '{name}'" in err
    assert "Heat would replace all servers of a group" in err
    assert running.sent == []


def test_group_that_is_marked(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """If a whole group is marked as unhealthy, no command of heatgen begins an update."""
    [group] = [item for item in running.resources if item["resource_name"] == "workers"]
    group["resource_status"] = "CHECK_FAILED"
    assert replace(kubernetes, "demo-worker-1", "--yes") == 1
    err = capsys.readouterr().err
    assert "error[group-unhealthy]: the group workers of stack 'demo'" in err
    assert "mark unhealthy --reset demo workers" in err
    assert requests(running)[-1] == (f"{NESTED}/1", False)


def test_group_after_a_check(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """After 'openstack stack check' Heat replaces only failed members: this is not refused."""
    [group] = [item for item in running.resources if item["resource_name"] == "workers"]
    group["resource_status"] = running.status = "CHECK_FAILED"
    assert replace(kubernetes, "demo-worker-1", "--yes") == 0


def test_confirmation(
    running: Heat, nova: Nova, kubernetes: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replacement is confirmed with the name of the stack."""
    terminal = io.StringIO("x\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert replace(kubernetes, "demo-worker-1") == 5
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert replace(kubernetes, "demo-worker-1") == 2
    assert (running.sent, nova.actions) == ([], [])


def test_nova_cannot_stop_it(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A server on a failed host is replaced although Nova cannot stop it."""
    monkeypatch.setattr(members, "STOP_SECONDS", 0.0)
    nova.hung.add("workers1")
    assert replace(kubernetes, "demo-worker-1", "--yes") == 0
    assert "Nova could not stop server demo-worker-1" in capsys.readouterr().err
