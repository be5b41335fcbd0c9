# SPDX-License-Identifier: Apache-2.0
"""Drain of nodes: budgets, pods without controller, volumes, nodes whose server is stopped."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from heatgen.kube import drain
from heatgen.kube.client import Api, Object
from heatgen.kube.errors import KubernetesFailed
from heatgen.yamlio.codes import Code
from tests.kube import control_plane
from tests.kube.control_plane import NAMESPACE, Kubelets, budget, create, deployment


def wait_for(done: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition is true."""
    limit = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < limit, "timed out"
        time.sleep(0.2)


def pods(api: Api, app: str, node: str = "") -> list[Object]:
    """Return the Ready pods of a deployment that are not being deleted, on any or one node."""
    return [
        item
        for item in api.items(f"/api/v1/namespaces/{NAMESPACE}/pods", labelSelector=f"app={app}")
        if not item["metadata"].get("deletionTimestamp")
        and item["status"].get("conditions")
        and item["status"]["phase"] == "Running"
        and (not node or item["spec"]["nodeName"] == node)
    ]


def deployed(api: Api, name: str, replicas: int, **rule: int) -> None:
    """Create a deployment with a budget, and wait until all pods are Ready, one on each node."""
    create(api, deployment(name, replicas), *([budget(name, **rule)] if rule else []))
    wait_for(lambda: len(pods(api, name)) == replicas)
    path = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/{name}"
    if rule:
        wait_for(lambda: api.get(path).get("status", {}).get("currentHealthy") == replicas)


def spec(api: Api, node: str) -> Object:
    """Return the specification of a node."""
    return dict(api.get(f"/api/v1/nodes/{node}")["spec"])


def cordoned(api: Api, *nodes: str) -> None:
    """Cordon nodes."""
    states = drain.states(api)
    for node in nodes:
        drain.cordon(api, states[node])


def test_pods_move_within_the_budget(api: Api) -> None:
    """All pods leave the node, and the budget holds at every moment."""
    deployed(api, "web", 6, maxUnavailable=1)
    assert len(pods(api, "web", "w1")) == 2
    lines: list[str] = []
    least = [6]

    def log(line: str) -> None:
        lines.append(line)
        least.append(len(pods(api, "web")))

    cordoned(api, "w1")
    drain.drain(api, "w1", 120, log)
    assert pods(api, "web", "w1") == []
    wait_for(lambda: len(pods(api, "web")) == 6)
    assert min(least) >= 5, lines
    assert [line for line in lines if "The disruption budget web needs 5" in line]
    assert spec(api, "w1")["unschedulable"] is True


def test_budget_that_permits_nothing(api: Api) -> None:
    """A budget that never permits an eviction is named at once, not after the time limit."""
    deployed(api, "db", 3, minAvailable=3)
    cordoned(api, "w1")
    began = time.monotonic()
    with pytest.raises(KubernetesFailed) as failure:
        drain.drain(api, "w1", 300, print)
    assert time.monotonic() - began < 60
    assert failure.value.code == Code.DISRUPTION_BUDGET
    assert "node w1" in str(failure.value)
    assert "disruption budget db needs 3 healthy pods and has 3" in str(failure.value)
    assert len(pods(api, "db", "w1")) == 1
    drain.uncordon(api, "w1")
    assert "unschedulable" not in spec(api, "w1")


def test_budget_that_does_not_permit_it_in_time(api: Api, kubelets: Kubelets) -> None:
    """A budget that would permit it later is named after the time limit."""
    deployed(api, "db", 3, minAvailable=2)
    # No kubelet starts the replacement of the first evicted pod.
    cordoned(api, "w1", "w2")
    kubelets.running = {"w1", "w2"}
    drain.drain(api, "w1", 60, print)
    with pytest.raises(KubernetesFailed) as failure:
        drain.drain(api, "w2", 8, print)
    assert failure.value.code == Code.DISRUPTION_BUDGET
    assert "pod default/db-" in str(failure.value)


def test_several_budgets(api: Api) -> None:
    """Kubernetes evicts no pod that several budgets select; this is reported at once."""
    deployed(api, "db", 3, maxUnavailable=1)
    create(api, budget("db", maxUnavailable=1) | {"metadata": {"name": "second"}})
    cordoned(api, "w1")
    # The API server notices new budgets after a moment.
    time.sleep(2)
    with pytest.raises(KubernetesFailed) as failure:
        drain.drain(api, "w1", 60, print)
    assert failure.value.code == Code.DISRUPTION_BUDGET
    assert "more than one PodDisruptionBudget" in str(failure.value)


def pod(name: str, node: str, **metadata: object) -> Object:
    """Return a pod on a node."""
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "main"}]},
    }  # fmt: skip


def test_unmanaged_pods(api: Api) -> None:
    """A pod without a controller is named; one that has ended does not matter."""
    create(api, pod("lonely", "w1"), pod("done", "w1"))
    wait_for(lambda: drain.states(api)["w1"].pods == 2)
    api.patch(
        f"/api/v1/namespaces/{NAMESPACE}/pods/done/status", {"status": {"phase": "Succeeded"}}
    )
    with pytest.raises(KubernetesFailed) as failure:
        drain.check_unmanaged(api, "w1")
    assert failure.value.code == Code.UNMANAGED_PODS
    assert "pod default/lonely" in str(failure.value)
    assert "done" not in str(failure.value)
    drain.check_unmanaged(api, "w0")
    cordoned(api, "w1")
    drain.drain(api, "w1", 60, print)
    assert drain.states(api)["w1"].pods == 0


def test_pods_of_daemon_sets(api: Api) -> None:
    """They are not evicted; at last those end that do not tolerate every taint."""
    owner = {
        "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "u", "controller": True,
    }  # fmt: skip
    web, agent = (pod(name, "w1", ownerReferences=[owner]) for name in ("web", "agent"))
    # The controller of DaemonSets adds tolerations of this kind.
    web["spec"]["tolerations"] = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}]
    agent["spec"]["tolerations"] = [{"operator": "Exists"}]
    create(api, web, agent)
    drain.check_unmanaged(api, "w1")
    assert drain.states(api)["w1"].pods == 0
    cordoned(api, "w1")
    began = time.monotonic()
    drain.drain(api, "w1", 20, print)
    assert time.monotonic() - began < drain.LEAVE_SECONDS
    assert [str(found) for found in drain._pods(api, "w1")] == [f"{NAMESPACE}/agent"]
    assert drain.LEAVING["key"] in str(spec(api, "w1"))
    drain.uncordon(api, "w1")
    assert drain.LEAVING["key"] not in str(spec(api, "w1"))


def test_pod_that_does_not_end(api: Api, kubelets: Kubelets) -> None:
    """A pod that does not end within the time limit is named; it is not deleted by force."""
    deployed(api, "web", 3)
    [stuck] = pods(api, "web", "w1")
    kubelets.hung.add(stuck["metadata"]["name"])
    cordoned(api, "w1")
    with pytest.raises(KubernetesFailed) as failure:
        drain.drain(api, "w1", 5, print)
    assert failure.value.code == Code.PODS_NOT_MOVED
    assert stuck["metadata"]["name"] in str(failure.value)


def attachment(name: str, node: str) -> Object:
    """Return the attachment of a volume to a node."""
    return {
        "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": name},
        "spec": {
            "attacher": "cinder.csi.openstack.org", "nodeName": node,
            "source": {"persistentVolumeName": f"pv-{name}"},
        },
    }  # fmt: skip


def test_volumes(api: Api) -> None:
    """A drain waits until volumes are detached from the node, and names those that are not."""
    create(api, attachment("a", "w1"), attachment("b", "w0"))
    assert drain.attachments(api, "w1") == ["pv-a"]
    with pytest.raises(KubernetesFailed) as failure:
        drain.drain(api, "w1", 3, print)
    assert failure.value.code == Code.VOLUMES_ATTACHED
    assert "pv-a" in str(failure.value)
    assert "pv-b" not in str(failure.value)
    api.request("DELETE", "/apis/storage.k8s.io/v1/volumeattachments/a")
    drain.drain(api, "w1", 10, print)


def test_cordon_of_the_administrator_stays(api: Api) -> None:
    """A node that was cordoned before is not made schedulable."""
    api.patch("/api/v1/nodes/w1", {"spec": {"unschedulable": True}})
    cordoned(api, "w1", "w2")
    for node in ("w1", "w2", "unknown"):
        drain.uncordon(api, node)
    assert spec(api, "w1")["unschedulable"] is True
    assert "unschedulable" not in spec(api, "w2")


def test_stopped_server(api: Api, kubelets: Kubelets) -> None:
    """Pods of a stopped server move although no kubelet ends them; the taint is removed again."""
    deployed(api, "web", 3)
    assert len(pods(api, "web", "w1")) == 1
    kubelets.running.discard("w1")
    control_plane.set_ready(api, "w1", ready=False)
    api.patch("/api/v1/nodes/w1", {"spec": {"taints": [{"key": "own", "effect": "NoSchedule"}]}})
    cordoned(api, "w1")
    assert drain.abandon(api, "w1", 5) == []
    assert drain.abandon(api, "unknown", 5) == []
    wait_for(lambda: drain.states(api)["w1"].pods == 0, 90)
    wait_for(lambda: len(pods(api, "web")) == 3)
    drain.uncordon(api, "w1")
    assert [taint["key"] for taint in spec(api, "w1")["taints"] if "own" in taint["key"]] == ["own"]
    assert drain.OUT_OF_SERVICE["key"] not in str(spec(api, "w1"))


def test_states(api: Api) -> None:
    """Nodes have readiness, the time without it, and the number of pods that would move."""
    deployed(api, "web", 3)
    control_plane.set_ready(api, "w2", ready=False)
    cordoned(api, "w0")
    time.sleep(2)
    states = drain.states(api)
    assert {name: state.pods for name, state in states.items()} == {"w0": 1, "w1": 1, "w2": 1}
    assert [name for name, state in states.items() if state.cordoned] == ["w0"]
    assert (states["w1"].ready, states["w1"].unready_seconds) == (True, 0.0)
    assert not states["w2"].ready
    assert 1 <= states["w2"].unready_seconds < 120


def test_time_since_the_last_report(api: Api, kubelets: Kubelets) -> None:
    """A node is unhealthy since its kubelet has stopped, not since Kubernetes has noticed it."""
    wait_for(lambda: drain.wait_ready(api, "w1", api.now() - timedelta(hours=1), 0))
    kubelets.running.clear()
    time.sleep(4)
    control_plane.set_ready(api, "w1", ready=False)
    assert drain.states(api)["w1"].unready_seconds >= 3


def test_removed_node(api: Api) -> None:
    """The node of a deleted server is deleted with the pods that are left; twice is no error."""
    deployed(api, "web", 3)
    drain.remove_node(api, "w1")
    assert set(drain.states(api)) == {"w0", "w2"}
    wait_for(lambda: len(pods(api, "web")) == 3)
    drain.remove_node(api, "w1")


def test_return_of_a_node(api: Api, kubelets: Kubelets) -> None:
    """A node is back if it is Ready and its new kubelet has reported; its old state is not enough.

    The controller of nodes changes the condition almost a minute after the kubelet has stopped.
    """
    wait_for(lambda: drain.wait_ready(api, "w1", api.now() - timedelta(hours=1), 0))
    kubelets.running.clear()
    time.sleep(1)
    since = api.now()
    assert not drain.wait_ready(api, "w1", since, 0)
    # The time of responses has no fractions of seconds.
    time.sleep(2)
    control_plane.report(api, "w1")
    assert drain.wait_ready(api, "w1", since, 0)
    control_plane.set_ready(api, "w1", ready=False)
    assert not drain.wait_ready(api, "w1", since, 0)
    assert not drain.wait_ready(api, "w2", since, 0)
    assert not drain.wait_ready(api, "unknown", since, 0)
