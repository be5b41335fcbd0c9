# SPDX-License-Identifier: Apache-2.0
"""Layer 5, the controllers: each kind of workload is made, kept and taken down as it should be."""

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import pytest

from conformance.api.client import ApiStatusError, WaitTimeout, poll_until
from conformance.api.pods import Json, is_ready, node_of, ready_since, state
from conformance.deploy.live import RunHandle
from conformance.deploy.pod_monitor import CONTROLLERS
from conformance.faults import detects
from conformance.manifests import base, workloads
from conformance.manifests.workloads import BUDGETED, EVERY_NODE, INDEXED_JOB, ORDERED, ROLLING
from conformance.outcome import require
from conformance.support.prerequisites import (
    is_inactive,
    require_controllers,
    require_scheduler,
    require_startable,
    startup_failure,
)

pytestmark = pytest.mark.orchestration

T = TypeVar("T")
LOOK = f"kubectl get lease -n kube-system {CONTROLLERS} -o yaml; its log"


@pytest.mark.thorough
@detects("controller-manager-down")
def test_deployment_rolls_over(live: RunHandle) -> None:
    """A Deployment gets new pods, and the old one goes only when the new one is there."""
    judge = awaited(live, of(live, "Deployment", ROLLING), is_whole, blamed=True, app=ROLLING)
    require_done(judge, f"Deployment {ROLLING}", "one available pod", "its pod cannot start")
    change = {"template": {"metadata": {"annotations": {"heatgen-conformance/turn": "2"}}}}
    live.cluster.patch(live.at("Deployment", ROLLING), {"spec": change})
    least = [1]

    def rolled(deployment: Json) -> bool:
        least[0] = min(least[0], deployment["status"].get("availableReplicas", 0))
        return is_whole(deployment) and turns(live) == {"2": 1}

    judge = awaited(live, of(live, "Deployment", ROLLING), rolled, blamed=True, app=ROLLING)
    likely = "the new pod cannot start, or the old one does not end"
    require_done(judge, f"Deployment {ROLLING}, after its pods were changed", "a new pod", likely)
    require(
        least[0] >= 1,
        at=f"Deployment {ROLLING} while it rolls over (maxUnavailable 0)",
        expected="at least one available pod all the time",
        seen="none for a moment",
        likely="the controller of Deployments does not wait for the new pod",
        look=LOOK,
    )


def is_whole(made: Json) -> bool:
    """Has the controller seen the newest wish, and fulfilled it?"""
    status, wanted = made.get("status", {}), made["spec"]["replicas"]
    return bool(
        status.get("observedGeneration", 0) >= made["metadata"]["generation"]
        and status.get("replicas", 0) == wanted
        and status.get("updatedReplicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def turns(live: RunHandle) -> dict[str, int]:
    """How many pods there are of each turn of the Deployment."""
    return Counter(
        pod["metadata"].get("annotations", {}).get("heatgen-conformance/turn", "1")
        for pod in live.pods_of(ROLLING)
    )


def test_daemon_set_has_a_pod_on_each_node(live: RunHandle) -> None:
    """A DaemonSet that tolerates every taint has exactly one pod on each node."""
    nodes = [node.name for node in live.run.nodes]

    def count() -> dict[str, int]:
        return Counter(node_of(pod) for pod in live.pods_of(EVERY_NODE) if node_of(pod))

    want = dict.fromkeys(nodes, 1)
    done, seen = awaited(live, count, lambda seen: seen == want)
    require(
        done,
        at=f"DaemonSet {EVERY_NODE}, which tolerates every taint",
        expected=f"one pod on each of {', '.join(nodes)}",
        seen=", ".join(f"{number} on {node}" for node, number in sorted(seen.items())) or "none",
        likely="the controller of DaemonSets or the scheduler does not act",
        look=LOOK,
    )


@pytest.mark.thorough
def test_stateful_set_keeps_its_names(live: RunHandle) -> None:
    """A StatefulSet makes its pods in turn, each with a name that it keeps when it is replaced."""
    judge = awaited(live, of(live, "StatefulSet", ORDERED), is_whole, app=ORDERED)
    require_done(judge, f"StatefulSet {ORDERED}", f"{workloads.REPLICAS} pods", "see its pods")
    names = [f"{ORDERED}-{index}" for index in range(workloads.REPLICAS)]
    first, last = (live.cluster.get(live.path("pods", name)) for name in (names[0], names[-1]))
    require(
        last["metadata"]["creationTimestamp"] >= ready_since(first),
        at=f"StatefulSet {ORDERED}: its pods",
        expected=f"{names[-1]} made when {names[0]} was ready",
        seen=f"{names[-1]} made at {last['metadata']['creationTimestamp']}, {names[0]} ready since "
        f"{ready_since(first)}",
        likely="the controller of StatefulSets does not wait",
        look=LOOK,
    )
    live.cluster.delete(live.path("pods", names[-1]))

    def is_back(pods: list[Json]) -> bool:
        return {name_of(pod) for pod in pods if is_ready(pod)} == set(names) and all(
            pod["metadata"]["uid"] != last["metadata"]["uid"] for pod in pods
        )

    done, pods = awaited(live, lambda: live.pods_of(ORDERED), is_back, app=ORDERED)
    require(
        done,
        at=f"StatefulSet {ORDERED}, after {names[-1]} was deleted",
        expected=f"a new pod {names[-1]}",
        seen="; ".join(f"{name_of(pod)}: {state(pod)}" for pod in pods) or "no pods",
        likely="the old pod does not end, or the new one cannot start",
        look=f"kubectl describe pod -n {live.run.namespace} {names[-1]}",
    )


def name_of(pod: Json) -> str:
    """The pod's name."""
    return str(pod["metadata"]["name"])


def test_job_completes(live: RunHandle) -> None:
    """A Job runs until each of its parts has succeeded, and then no more."""

    def is_complete(job: Json) -> bool:
        conditions = job.get("status", {}).get("conditions") or []
        return any(each["type"] == "Complete" and each["status"] == "True" for each in conditions)

    judge = awaited(live, of(live, "Job", INDEXED_JOB), is_complete, app=INDEXED_JOB)
    want = f"complete, {workloads.COMPLETIONS} parts"
    status = require_done(judge, f"Job {INDEXED_JOB}", want, "its pods cannot start or fail")[
        "status"
    ]
    require(
        status.get("succeeded") == workloads.COMPLETIONS and not status.get("failed"),
        at=f"Job {INDEXED_JOB}",
        expected=f"{workloads.COMPLETIONS} parts succeeded, none failed",
        seen=f"{status.get('succeeded', 0)} succeeded, {status.get('failed', 0)} failed",
        likely="pods of it were lost or run twice",
        look=f"kubectl get pods -n {live.run.namespace} -l {base.APP_LABEL}={INDEXED_JOB}",
    )


def test_budget_stops_an_eviction(live: RunHandle) -> None:
    """An eviction that would break a budget is refused; when there is room for it, it is done."""
    live.require_running(BUDGETED, "test_pod_without_wishes_runs")
    judge = awaited(
        live, of(live, "PodDisruptionBudget", BUDGETED), lambda budget: counted(budget, 0)
    )
    want = "one healthy pod, and none to spare"
    require_done(judge, f"PodDisruptionBudget {BUDGETED}", want, "its controller does not count")
    require_evicted(live, 429, "while its budget needs it")
    budget = live.at("PodDisruptionBudget", BUDGETED)
    live.cluster.patch(budget, {"spec": {"minAvailable": 0}})
    judge = awaited(
        live, of(live, "PodDisruptionBudget", BUDGETED), lambda budget: counted(budget, 1)
    )
    require_done(judge, f"PodDisruptionBudget {BUDGETED}", "one to spare", "its controller is slow")
    require_evicted(live, 201, "when it may be missed")


def counted(budget: Json, spare: int) -> bool:
    """Has the budget's controller counted its one healthy pod, and so many to spare?"""
    status = budget.get("status", {})
    return bool(
        status.get("observedGeneration", 0) >= budget["metadata"]["generation"]
        and status.get("currentHealthy", 0) == 1
        and status.get("disruptionsAllowed", 0) == spare
    )


def require_evicted(live: RunHandle, code: int, when: str) -> None:
    """The API answers the wish to evict the guarded pod with that HTTP code."""
    metadata = {"name": BUDGETED, "namespace": live.run.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    seen, said = 201, "done"
    try:
        live.cluster.request("POST", f"{live.path('pods', BUDGETED)}/eviction", body)
    except ApiStatusError as refusal:
        seen, said = refusal.code, str(refusal)
    require(
        seen == code,
        at=f"eviction of pod {BUDGETED} {when}",
        expected=f"HTTP {code}",
        seen=f"HTTP {seen}: {said}",
        likely="the budget's controller is behind, or evictions pass it by",
        look=f"kubectl get pdb -n {live.run.namespace} {BUDGETED} -o yaml",
    )


def test_what_is_owned_goes_with_its_owner(live: RunHandle) -> None:
    """An object whose owner is deleted is collected; one that belongs to nobody stays."""
    owner = live.cluster.create(workloads.owned(live.run, "owner"))
    live.cluster.create(workloads.owned(live.run, "owned", owner))
    live.cluster.create(workloads.owned(live.run, "unowned"))
    live.cluster.delete(live.path("configmaps", "owner"))

    def names() -> set[str]:
        there = live.cluster.items(live.path("configmaps"))
        return {each["metadata"]["name"] for each in there} & {"owner", "owned", "unowned"}

    _, seen = awaited(live, names, lambda seen: "owned" not in seen)
    require(
        seen == {"unowned"},
        at=f"ConfigMaps in namespace {live.run.namespace}, after the owner of one was deleted",
        expected="unowned alone is left",
        seen=", ".join(sorted(seen)) or "none",
        likely="the garbage collector of kube-controller-manager does not act: a part of the API "
        "that does not answer stops it (kubectl get apiservices)",
        look=LOOK,
    )


# ---- what several of them need ----


def awaited(
    live: RunHandle,
    ask: Callable[[], T],
    done: Callable[[T], bool],
    blamed: bool = False,
    app: str = "",
) -> tuple[bool, T]:
    """Did it come to what should be? And what it is then.

    Without a control plane nothing comes, so the wait is short. Without controllers one test is
    `blamed`, and red; the others could not ask. Nor does anything come of an `app` whose pod was
    put on a node where nothing starts.
    """

    def over(seen: T) -> bool:
        return done(seen) or is_inactive(live) or bool(app and startup_failure(live, app))

    try:
        seen = poll_until(ask, over, max(live.left(), live.patience / 2))
    except WaitTimeout as late:
        seen = late.last
    if not done(seen):
        (require_scheduler if blamed else require_controllers)(live)
        if app:
            require_startable(live, app)
    return done(seen), seen


def of(live: RunHandle, kind: str, name: str) -> Callable[[], Json]:
    """How to ask for one of the run's objects."""
    path = live.at(kind, name)
    return lambda: dict(live.cluster.get(path))


def require_done(judge: tuple[bool, Json], at: str, expected: str, likely: str) -> Json:
    """The object, which came to where it should.

    Raises:
        CheckFailed: if it did not; its own state says how far it came.
    """
    done, made = judge
    status = {
        key: value
        for key, value in made.get("status", {}).items()
        if key.lower().endswith(("replicas", "succeeded", "failed", "healthy", "allowed", "active"))
    }
    require(
        done,
        at=at,
        expected=expected,
        seen=", ".join(f"{key} {value}" for key, value in status.items()) or "no state at all",
        likely=likely if status else f"no {CONTROLLERS} acts: {likely}",
        look=LOOK,
    )
    return made
