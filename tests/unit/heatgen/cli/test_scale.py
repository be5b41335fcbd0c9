# SPDX-License-Identifier: Apache-2.0
"""``heatgen scale``: the choice of workers, drain, refusals, the update of the stack."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from heatgen.cli.main import main
from heatgen.cloud import members
from heatgen.kube import drain
from tests.unit.heatgen.cli.conftest import update_ends
from tests.unit.heatgen.support import fake_kubernetes, fake_nova
from tests.unit.heatgen.support.fake_heat import STACK, Heat
from tests.unit.heatgen.support.fake_kubernetes import LEASES, Kubernetes
from tests.unit.heatgen.support.fake_nova import Nova

Capture = pytest.CaptureFixture[str]


def scale(kubernetes: Kubernetes, *words: str) -> int:
    """Run the command."""
    return main(["scale", STACK, *words, "--kubeconfig", kubernetes.kubeconfig])


def parameters(heat: Heat) -> list[Any]:
    """Return the parameters of the updates."""
    return [body["parameters"] for _, _, body in heat.sent]


def test_removal_by_name(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """The middle worker is cordoned, drained and removed; Heat gets only its index and the count.

    Its pod is evicted, that of the DaemonSet ends by a taint; node and lock are gone at the end.
    """
    assert scale(kubernetes, "worker", "2", "--remove", "demo-worker-1", "--yes") == 0
    assert kubernetes.evicted() == ["web-1"]
    [taint] = [body["spec"]["taints"] for _, _, body in kubernetes.sent if "taints" in str(body)]
    assert taint == [drain.LEAVING]
    assert parameters(running) == [{"worker_count": "2", "worker_removed": "1"}]
    [(method, _, body)] = running.sent
    # Heat keeps the template and the other parameters.
    assert (method, "template" in body) == ("PATCH", False)
    assert kubernetes.nodes() == {"demo-control-0", "demo-worker-0", "demo-worker-2"}
    assert not [path for path in kubernetes.objects if "agent-1" in path or path.startswith(LEASES)]
    assert kubernetes.cordoned() == []
    assert nova.actions == []
    err = capsys.readouterr().err
    assert "remove demo-worker-1: named, 1 pod moves" in err
    assert "node demo-worker-1: pod default/web-1 evicted" in err


def test_order_of_requests(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """All nodes are cordoned before the first pod moves."""
    words = ("--remove", "demo-worker-0", "demo-worker-1", "--yes")
    assert scale(kubernetes, "worker", "1", *words) == 0
    changes = [
        path.rsplit("/", 1)[-1] for _, path, body in kubernetes.sent
        if "unschedulable" in str(body) or path.endswith("/eviction")
    ]  # fmt: skip
    assert changes[:2] == ["demo-worker-0", "demo-worker-1"]
    assert changes[2:] == ["eviction", "eviction"]
    assert parameters(running) == [{"worker_count": "1", "worker_removed": "0,1"}]


def test_gaps(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """In a group with gaps, indices are added to the list, in the order of numbers."""
    running.parameters |= {"worker_removed": "1", "worker_count": "3"}
    running.resources.clear()
    nova.statuses.clear()
    fake_nova.populate(running, nova, workers=("0", "2", "3"))
    kubernetes.objects.pop("/api/v1/nodes/demo-worker-1")
    kubernetes.node("demo-worker-3")
    assert scale(kubernetes, "worker", "2", "--remove", "demo-worker-3", "--yes") == 0
    assert parameters(running) == [{"worker_count": "2", "worker_removed": "1,3"}]


@pytest.mark.parametrize(
    ("given", "removed"),
    [
        ({"ready": False}, "demo-worker-0"),
        ({"unschedulable": True}, "demo-worker-0"),
        ({}, "demo-worker-2"),
    ],
)
def test_choice(
    given: dict[str, Any], removed: str, running: Heat, nova: Nova, kubernetes: Kubernetes,
    capsys: Capture,
) -> None:  # fmt: skip
    """Without names: one that is not Ready, a cordoned one, one with few pods, the last one."""
    if given:
        kubernetes.node("demo-worker-0", **given)
        kubernetes.pod("more", "demo-worker-0")
    assert scale(kubernetes, "worker", "2", "--yes") == 0
    assert f"remove {removed}: " in capsys.readouterr().err
    assert removed not in kubernetes.nodes()


def test_choice_by_pods(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """The worker with the fewest pods is removed; pods of DaemonSets do not count."""
    for index in (0, 2):
        kubernetes.pod(f"more-{index}", f"demo-worker-{index}")
    assert scale(kubernetes, "worker", "2", "--yes") == 0
    assert "remove demo-worker-1: 1 pod moves" in capsys.readouterr().err


def test_more_workers(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """More workers are one update of the count; nothing is drained or confirmed."""
    assert scale(kubernetes, "worker", "5") == 0
    assert parameters(running) == [{"worker_count": "5"}]
    assert kubernetes.evicted() == []


def test_replaced_by_a_new_name(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """The same number with a removed worker adds one with a new name."""
    assert scale(kubernetes, "worker", "3", "--remove", "demo-worker-1", "--yes") == 0
    assert parameters(running) == [{"worker_count": "3", "worker_removed": "1"}]


def test_nothing_to_do(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """If the group has the number of workers, nothing is updated."""
    assert scale(kubernetes, "worker", "3") == 0
    assert running.sent == []
    assert "already 3 workers" in capsys.readouterr().err


def test_failed_stack_is_continued(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """After a failed removal the same command completes it; no other worker is chosen."""
    running.status = "UPDATE_FAILED"
    running.parameters |= {"worker_count": "2", "worker_removed": "1"}
    assert scale(kubernetes, "worker", "2") == 0
    assert parameters(running) == [{"worker_count": "2"}]
    assert kubernetes.evicted() == []


BUDGET = "The disruption budget db needs 3 healthy pods and has 3 currently"


def test_refused_by_a_budget(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """A budget that refuses is named with node and pod; all nodes are schedulable as before."""
    kubernetes.node("demo-worker-2", unschedulable=True)
    kubernetes.budgets["web-1"] = BUDGET
    path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/db"
    kubernetes.objects[path] = {"status": {"desiredHealthy": 3, "expectedPods": 3}}
    assert scale(kubernetes, "worker", "1", "--remove", "demo-worker-1", "--yes") == 7
    assert running.sent == []
    # The administrator had cordoned number 2.
    assert kubernetes.cordoned() == ["demo-worker-2"]
    err = capsys.readouterr().err
    assert "error[disruption-budget]: node demo-worker-1 cannot be drained" in err
    assert "pod default/web-1: The disruption budget db needs 3 healthy pods" in err
    assert not [path for path in kubernetes.objects if path.startswith(LEASES)]


def test_budget_that_refuses_until_the_limit(
    running: Heat, nova: Nova, kubernetes: Kubernetes
) -> None:
    """A budget that could permit it later refuses after the time limit."""
    kubernetes.budgets["web-2"] = BUDGET
    words = ("--remove", "demo-worker-2", "--yes", "--drain-timeout", "1")
    assert scale(kubernetes, "worker", "2", *words) == 7
    assert running.sent == []
    assert kubernetes.cordoned() == []


def test_unmanaged_pods(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """A pod without a controller refuses the removal, unless the administrator accepts its loss."""
    kubernetes.pod("lonely", "demo-worker-1", "")
    words = ("worker", "2", "--remove", "demo-worker-1", "--yes")
    assert scale(kubernetes, *words) == 7
    assert "error[unmanaged-pods]: node demo-worker-1" in capsys.readouterr().err
    assert kubernetes.cordoned() == []
    assert running.sent == []
    assert scale(kubernetes, *words, "--delete-unmanaged-pods") == 0
    assert sorted(kubernetes.evicted()) == ["lonely", "web-1"]


def test_volumes(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """A volume that stays attached ends the command with the exit code of a timeout."""
    path = f"{fake_kubernetes.ATTACHMENTS}/a"
    spec = {"nodeName": "demo-worker-1", "source": {"persistentVolumeName": "data"}}
    kubernetes.objects[path] = {"metadata": {"name": "a"}, "spec": spec}
    words = ("--remove", "demo-worker-1", "--yes", "--drain-timeout", "1")
    assert scale(kubernetes, "worker", "2", *words) == 3
    assert "error[volumes-attached]: node demo-worker-1: " in capsys.readouterr().err
    assert kubernetes.cordoned() == []


def test_node_that_is_not_ready(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """The server of a node that is not Ready is stopped, so that Kubernetes moves its pods."""
    kubernetes.node("demo-worker-1", ready=False)
    assert scale(kubernetes, "worker", "2", "--yes") == 0
    assert nova.actions == [("stop", "workers1")]
    assert kubernetes.evicted() == []
    [patch] = [body for _, path, body in kubernetes.sent if "taints" in str(body)]
    assert patch["spec"]["taints"] == [drain.OUT_OF_SERVICE]
    assert "demo-worker-1: not Ready" in capsys.readouterr().err


def test_server_on_a_failed_host(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Pods of a server that Nova cannot stop are not moved before it is deleted."""
    monkeypatch.setattr(members, "STOP_SECONDS", 0.0)
    kubernetes.node("demo-worker-1", ready=False)
    nova.hung.add("workers1")
    assert scale(kubernetes, "worker", "2", "--yes") == 0
    assert "taints" not in str(kubernetes.sent)
    assert "Nova could not stop server demo-worker-1" in capsys.readouterr().err


def test_server_that_does_not_exist(running: Heat, nova: Nova, kubernetes: Kubernetes) -> None:
    """A worker that was never created is removed first."""
    running.resources = [item for item in running.resources if item["resource_name"] != "0"]
    kubernetes.objects.pop("/api/v1/nodes/demo-worker-0")
    assert scale(kubernetes, "worker", "2", "--yes") == 0
    assert parameters(running) == [{"worker_count": "2", "worker_removed": "0"}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("wrkers", "2"), "GROUP: error[invalid-argument]: stack demo has no group 'wrkers'"),
        (("worker", "2", "--remove", "demo-worker-7"), "no node 'demo-worker-7'"),
        (("worker", "2", "--remove", "demo-control-0"), "no node 'demo-control-0'"),
        (("worker", "-1"), ""),
        (("worker", "x"), ""),
    ],
)
def test_wrong_arguments(
    words: tuple[str, ...], message: str, running: Heat, nova: Nova, kubernetes: Kubernetes,
    capsys: Capture,
) -> None:  # fmt: skip
    """Unknown groups and nodes are wrong usage; nothing is changed."""
    assert scale(kubernetes, *words, "--yes") == 2
    assert message in capsys.readouterr().err
    assert running.sent == []
    assert kubernetes.cordoned() == []


def test_confirmation(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A removal is confirmed with the name of the stack, or with --yes without a terminal."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("demo\n"))
    assert scale(kubernetes, "worker", "2") == 2
    assert "error[confirmation-required]: " in capsys.readouterr().err
    terminal = io.StringIO("no\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert scale(kubernetes, "worker", "2") == 5
    assert "nothing was changed" in capsys.readouterr().err
    assert running.sent == []
    assert kubernetes.sent[-1][0] == "DELETE"


def test_operation_in_progress(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """A stack with an operation in progress is not changed; the hint shows how to wait."""
    running.status = "UPDATE_IN_PROGRESS"
    assert scale(kubernetes, "worker", "2", "--yes") == 1
    err = capsys.readouterr().err
    assert "error[stack-not-complete]: stack 'demo' is UPDATE_IN_PROGRESS" in err
    assert "heatgen status demo --wait" in err
    assert kubernetes.sent == []


def test_update_that_begins_meanwhile(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """If another update begins during the drain, nothing is removed, and this is reported."""
    evict = kubernetes._evict

    def begin(path: str) -> Any:
        running.status = "UPDATE_IN_PROGRESS"
        return evict(path)

    monkeypatch.setattr(kubernetes, "_evict", begin)
    assert scale(kubernetes, "worker", "2", "--yes") == 1
    assert "error[stack-not-complete]: " in capsys.readouterr().err
    assert running.sent == []
    assert kubernetes.cordoned() == []


def test_other_command(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """Another command that changes the nodes is reported by name."""
    kubernetes.objects[f"{LEASES}/heatgen-operation"] = {
        "metadata": {"name": "heatgen-operation", "resourceVersion": "7"},
        "spec": {
            "holderIdentity": "heatgen repair by ann on box, process 7",
            "leaseDurationSeconds": 60, "renewTime": "2999-01-01T00:00:00.000000Z",
        },
    }  # fmt: skip
    assert scale(kubernetes, "worker", "2", "--yes") == 1
    err = capsys.readouterr().err
    assert "error[operation-in-progress]: " in err
    assert "heatgen repair by ann on box" in err
    assert running.sent == []


def test_update_of_another_client(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """If another client's update sets the parameters, this is reported, and no node is deleted."""
    running.then[-1] = lambda: running.event(STACK, "UPDATE_COMPLETE")
    assert scale(kubernetes, "worker", "2", "--yes") == 1
    assert "error[update-not-applied]: " in capsys.readouterr().err
    assert len(kubernetes.nodes()) == 4


def test_failed_update(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """If the update fails, the removed node stays cordoned: its server may be gone."""
    running.then.clear()
    update_ends(running, "FAILED")
    assert scale(kubernetes, "worker", "2", "--remove", "demo-worker-0", "--yes") == 1
    assert "error[stack-failed]: " in capsys.readouterr().err
    assert kubernetes.cordoned() == ["demo-worker-0"]


def test_template_of_the_first_release(
    running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture
) -> None:
    """A stack without the parameter can only remove its last workers; the hint is to update it."""
    del running.template["parameters"]["worker_removed"]
    del running.parameters["worker_removed"]
    del running.template["resources"]["workers"]["properties"]["removal_policies"]
    assert scale(kubernetes, "worker", "2", "--remove", "demo-worker-1", "--yes") == 1
    assert "error[missing-stack-parameter]: " in capsys.readouterr().err
    assert kubernetes.evicted() == []
    assert scale(kubernetes, "worker", "2", "--yes") == 0
    assert parameters(running) == [{"worker_count": "2"}]


def test_no_key(
    running: Heat, nova: Nova, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """Without the administrator's key nothing is changed."""
    monkeypatch.chdir(tmp_path)
    assert main(["scale", STACK, "worker", "2", "--yes"]) == 2
    assert "cluster.admin.key: error[file-not-readable]: " in capsys.readouterr().err
    assert running.sent == []


def test_unusable_kubeconfig(running: Heat, nova: Nova, tmp_path: Path, capsys: Capture) -> None:
    """A file that is not a kubeconfig is reported with its code."""
    (tmp_path / "x").write_text("{}")
    assert main(["scale", STACK, "worker", "2", "--kubeconfig", str(tmp_path / "x")]) == 1
    assert "error[not-a-kubeconfig]: " in capsys.readouterr().err


def test_api_is_away(running: Heat, nova: Nova, kubernetes: Kubernetes, capsys: Capture) -> None:
    """An API that does not respond is reported with its code."""
    kubernetes.away = True
    assert scale(kubernetes, "worker", "2", "--yes") == 1
    assert "error[kubernetes-refused]: " in capsys.readouterr().err
    assert running.sent == []
