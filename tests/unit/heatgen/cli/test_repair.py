# SPDX-License-Identifier: Apache-2.0
"""``heatgen repair``: restart once, then replace; limits; watch."""

import time
from functools import partial

import pytest

from heatgen.cli import repair
from heatgen.cli.main import main
from tests.unit.heatgen.cli.conftest import update_ends
from tests.unit.heatgen.support.fake_heat import STACK, Heat
from tests.unit.heatgen.support.fake_kubernetes import LEASES, Kubernetes
from tests.unit.heatgen.support.fake_nova import Nova

Capture = pytest.CaptureFixture[str]
WORKER = "demo-worker-1"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait only a moment for restarted servers."""
    monkeypatch.setattr(repair, "RESTART_SECONDS", 0.2)


def run(kubernetes: Kubernetes, *words: str) -> int:
    """Run the command."""
    return main(["repair", STACK, "--kubeconfig", kubernetes.kubeconfig, *words])


def marked(heat: Heat) -> list[str]:
    """Return the names of the resources that were marked as unhealthy."""
    return [
        path.rsplit("/", 1)[-1] for _, path, body in heat.sent if body.get("mark_unhealthy")
    ]  # fmt: skip


def returns(heat: Heat, kubernetes: Kubernetes, *nodes: str) -> None:
    """Let nodes be Ready after the next updates, one node each."""
    heat.then.clear()

    def begin(name: str) -> None:
        kubernetes.node(name)
        heat.event(STACK, "UPDATE_IN_PROGRESS")

    for name in nodes:
        update_ends(heat)
        heat.then[-2] = partial(begin, name)


def test_all_nodes_are_ready(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """Healthy nodes are left alone."""
    assert run(kubernetes) == 0
    assert "all 4 nodes are Ready" in capsys.readouterr().err
    assert (running.sent, nova.actions) == ([], [])
    assert not [path for path in kubernetes.objects if path.startswith(LEASES)]


def test_reboot_helps(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """A node whose kubelet does not report is rebooted; if it is Ready then, nothing else."""
    kubernetes.node(WORKER, ready=False)
    nova.then["reboot SOFT"] = lambda: kubernetes.node(WORKER)
    assert run(kubernetes) == 0
    assert nova.actions == [("reboot SOFT", "workers1")]
    assert running.sent == []
    assert f"node {WORKER}: Ready after" in capsys.readouterr().err


def test_start_helps(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """A server that is stopped is started."""
    kubernetes.node(WORKER, ready=False)
    nova.statuses["workers1"] = "SHUTOFF"
    nova.then["start"] = lambda: kubernetes.node(WORKER)
    assert run(kubernetes) == 0
    assert nova.actions == [("start", "workers1")]
    assert running.sent == []


def test_reboot_does_not_help(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """A node that is not Ready after a reboot is replaced: only this member is marked."""
    kubernetes.node(WORKER, ready=False)
    returns(running, kubernetes, WORKER)
    assert run(kubernetes) == 0
    assert nova.actions == [("reboot SOFT", "workers1"), ("stop", "workers1")]
    assert marked(running) == ["1"]
    assert kubernetes.cordoned() == []
    err = capsys.readouterr().err
    assert "the kubelet does not report: reboot" in err
    assert f"node {WORKER}: replaced" in err


@pytest.mark.parametrize("status", ["ERROR", ""])
def test_failed_server(status: str, running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """A server that has failed or does not exist is replaced without a restart."""
    kubernetes.node(WORKER, ready=False)
    nova.statuses["workers1"] = status
    if not status:
        del nova.statuses["workers1"]
    returns(running, kubernetes, WORKER)
    assert run(kubernetes) == 0
    assert nova.actions == []
    assert marked(running) == ["1"]


def test_nova_refuses_to_reboot(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """A server that Nova refuses to reboot is replaced."""
    kubernetes.node(WORKER, ready=False)
    nova.refusals.add("workers1")
    nova.hung.add("workers1")
    returns(running, kubernetes, WORKER)
    assert run(kubernetes) == 0
    assert marked(running) == ["1"]


def test_one_at_a_time(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """Two nodes are replaced by two updates, the second one after the first one is Ready."""
    for index in (3, 4):
        kubernetes.node(f"demo-worker-{index}")
    for index in (0, 1):
        kubernetes.node(f"demo-worker-{index}", ready=False)
        del nova.statuses[f"workers{index}"]
    returns(running, kubernetes, "demo-worker-0", WORKER)
    assert run(kubernetes, "--max-unhealthy", "50") == 0
    kinds = ["mark" if "mark_unhealthy" in body else "update" for _, _, body in running.sent]
    assert kinds == ["mark", "update", "mark", "update"]
    assert marked(running) == ["0", "1"]


def test_too_many(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """Above 40 % nothing is repaired; the numbers are shown."""
    for index in range(2):
        kubernetes.node(f"demo-worker-{index}", ready=False)
    assert run(kubernetes) == 7
    err = capsys.readouterr().err
    assert "error[too-many-unhealthy]: 2 of 4 nodes are not Ready, more than 40 %" in err
    assert (running.sent, nova.actions) == ([], [])


def test_recent_failure(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """A node that has just become not Ready is waited for."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    kubernetes.node(WORKER, ready=False, since=now)
    assert run(kubernetes) == 0
    assert "less than 300 s" in capsys.readouterr().err
    assert nova.actions == []


def test_suspended_server(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """A server that an administrator has suspended is left alone."""
    kubernetes.node(WORKER, ready=False)
    nova.statuses["workers1"] = "SUSPENDED"
    assert run(kubernetes) == 0
    assert f"node {WORKER}: not Ready; an administrator has set it SUSPENDED" in (
        capsys.readouterr().err
    )
    assert (running.sent, nova.actions) == ([], [])


def test_dry_run(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """With --dry-run the nodes to repair are shown, and the exit code is 4."""
    kubernetes.node(WORKER, ready=False)
    assert run(kubernetes, "--dry-run") == 4
    assert f"node {WORKER}: not Ready" in capsys.readouterr().err
    assert (running.sent, nova.actions) == ([], [])


def test_only_control_plane_node(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """The only control-plane node is neither rebooted nor replaced."""
    kubernetes.node("demo-control-0", ready=False)
    assert run(kubernetes) == 7
    assert "error[no-majority]: " in capsys.readouterr().err
    assert (running.sent, nova.actions) == ([], [])


def test_node_left_by_an_interrupted_command(
    running: Heat, nova: Nova, kubernetes: Kubernetes
) -> None:
    """A Ready node that a killed command has cordoned becomes schedulable; others stay."""
    kubernetes.node(WORKER, unschedulable=True)
    node = kubernetes.objects[f"/api/v1/nodes/{WORKER}"]
    node["metadata"]["annotations"] = {"heatgen/cordoned": "true"}
    kubernetes.node("demo-worker-2", unschedulable=True)
    assert run(kubernetes) == 0
    assert kubernetes.cordoned() == ["demo-worker-2"]


def test_node_that_is_being_removed(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """A node stays cordoned if the update that removes its server has failed."""
    running.status = "UPDATE_FAILED"
    running.parameters |= {"worker_count": "2", "worker_removed": "1"}
    kubernetes.node(WORKER, unschedulable=True)
    node = kubernetes.objects[f"/api/v1/nodes/{WORKER}"]
    node["metadata"]["annotations"] = {"heatgen/cordoned": "true"}
    assert run(kubernetes) == 0
    assert kubernetes.cordoned() == [WORKER]


class _EndOfWatchError(Exception):
    """Ends the endless loop of a test."""


def test_watch(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """It continues after failures; a node that fails again is replaced without a reboot."""
    real = time.sleep

    def fail(*, away: bool) -> None:
        kubernetes.away = away
        kubernetes.node(WORKER, ready=away)

    # Nothing to do; then the API is away; then a node fails; it fails again; then all is well.
    steps = [partial(fail, away=True), partial(fail, away=False), partial(fail, away=False)]

    def sleep(seconds: float) -> None:
        if seconds < 7:
            real(seconds)
        elif steps:
            steps.pop(0)()
        else:
            raise _EndOfWatchError

    monkeypatch.setattr(time, "sleep", sleep)
    nova.then["reboot SOFT"] = lambda: kubernetes.node(WORKER)
    returns(running, kubernetes, WORKER)
    assert run(kubernetes, "--watch", "--interval", "7") == 1
    err = capsys.readouterr().err
    assert "error[kubernetes-refused]: " in err
    assert "_EndOfWatchError" in err
    assert nova.actions == [("reboot SOFT", "workers1"), ("stop", "workers1")]
    assert marked(running) == ["1"]


@pytest.mark.parametrize(
    "words", [("--max-unhealthy", "101"), ("--interval", "0"), ("--unhealthy-after", "x")]
)
def test_wrong_arguments(words: tuple[str, str]) -> None:
    """Invalid numbers are wrong usage."""
    assert main(["repair", STACK, *words]) == 2
