# SPDX-License-Identifier: Apache-2.0
"""Layer 5, the controllers: workloads of each kind are created, updated and deleted correctly."""

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import pytest

from conformance.api.client import ApiStatusError, WaitTimeout, poll_until
from conformance.api.pods import Json, is_ready, node_of, ready_since, state
from conformance.codes import Code
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
def test_deployment_rolling_update_keeps_pods_available(live: RunHandle) -> None:
    """A rolling update of a Deployment removes the old pod only when the new one is available."""
    waited = wait_for(live, getter(live, "Deployment", ROLLING), is_rolled_out, True, ROLLING)
    require_done(waited, f"Deployment {ROLLING}", "one available pod", "its pod cannot start")
    change = {"template": {"metadata": {"annotations": {"heatgen-conformance/turn": "2"}}}}
    live.cluster.patch(live.at("Deployment", ROLLING), {"spec": change})
    least = [1]

    def is_updated(deployment: Json) -> bool:
        least[0] = min(least[0], deployment["status"].get("availableReplicas", 0))
        return is_rolled_out(deployment) and revisions(live) == {"2": 1}

    waited = wait_for(live, getter(live, "Deployment", ROLLING), is_updated, True, ROLLING)
    likely = "the new pod cannot start, or the old one does not terminate"
    require_done(waited, f"Deployment {ROLLING}, after a change of its pods", "a new pod", likely)
    require(
        least[0] >= 1,
        at=f"Deployment {ROLLING} during a rolling update (maxUnavailable 0)",
        expected="at least one available pod at any time",
        seen="none for some time",
        likely="the Deployment controller does not wait for the new pod",
        look=LOOK,
        code=Code.WORKLOAD_ORDER_WRONG,
    )


def is_rolled_out(created: Json) -> bool:
    """Return whether the controller has applied the newest specification."""
    status, wanted = created.get("status", {}), created["spec"]["replicas"]
    return bool(
        status.get("observedGeneration", 0) >= created["metadata"]["generation"]
        and status.get("replicas", 0) == wanted
        and status.get("updatedReplicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def revisions(live: RunHandle) -> dict[str, int]:
    """Return the number of pods of each revision of the Deployment."""
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
    done, seen = wait_for(live, count, lambda seen: seen == want)
    require(
        done,
        at=f"DaemonSet {EVERY_NODE}, which tolerates every taint",
        expected=f"one pod on each of {', '.join(nodes)}",
        seen=", ".join(f"{number} on {node}" for node, number in sorted(seen.items())) or "none",
        likely="the DaemonSet controller or the scheduler is inactive",
        look=LOOK,
        code=Code.WORKLOAD_INCOMPLETE,
    )


@pytest.mark.thorough
def test_stateful_set_keeps_pod_names(live: RunHandle) -> None:
    """A StatefulSet creates its pods in order, and recreates a pod with the same name."""
    waited = wait_for(live, getter(live, "StatefulSet", ORDERED), is_rolled_out, app=ORDERED)
    require_done(waited, f"StatefulSet {ORDERED}", f"{workloads.REPLICAS} pods", "see its pods")
    names = [f"{ORDERED}-{index}" for index in range(workloads.REPLICAS)]
    first, last = (live.cluster.get(live.path("pods", name)) for name in (names[0], names[-1]))
    require(
        last["metadata"]["creationTimestamp"] >= ready_since(first),
        at=f"StatefulSet {ORDERED}: its pods",
        expected=f"{names[-1]} created when {names[0]} was ready",
        seen=f"{names[-1]} created at {last['metadata']['creationTimestamp']}, {names[0]} ready "
        f"since {ready_since(first)}",
        likely="the StatefulSet controller does not wait",
        look=LOOK,
        code=Code.WORKLOAD_ORDER_WRONG,
    )
    live.cluster.delete(live.path("pods", names[-1]))

    def is_recreated(pods: list[Json]) -> bool:
        return {name_of(pod) for pod in pods if is_ready(pod)} == set(names) and all(
            pod["metadata"]["uid"] != last["metadata"]["uid"] for pod in pods
        )

    done, pods = wait_for(live, lambda: live.pods_of(ORDERED), is_recreated, app=ORDERED)
    require(
        done,
        at=f"StatefulSet {ORDERED}, after {names[-1]} was deleted",
        expected=f"a new pod {names[-1]}",
        seen="; ".join(f"{name_of(pod)}: {state(pod)}" for pod in pods) or "no pods",
        likely="the old pod does not terminate, or the new one cannot start",
        look=f"kubectl describe pod -n {live.run.namespace} {names[-1]}",
        code=Code.WORKLOAD_INCOMPLETE,
    )


def name_of(pod: Json) -> str:
    """Return the name of a pod."""
    return str(pod["metadata"]["name"])


def test_job_completes(live: RunHandle) -> None:
    """An indexed Job runs until each of its parts has succeeded once."""

    def is_complete(job: Json) -> bool:
        conditions = job.get("status", {}).get("conditions") or []
        return any(each["type"] == "Complete" and each["status"] == "True" for each in conditions)

    waited = wait_for(live, getter(live, "Job", INDEXED_JOB), is_complete, app=INDEXED_JOB)
    want = f"complete, {workloads.COMPLETIONS} parts"
    status = require_done(waited, f"Job {INDEXED_JOB}", want, "its pods cannot start or fail")[
        "status"
    ]
    require(
        status.get("succeeded") == workloads.COMPLETIONS and not status.get("failed"),
        at=f"Job {INDEXED_JOB}",
        expected=f"{workloads.COMPLETIONS} parts succeeded, none failed",
        seen=f"{status.get('succeeded', 0)} succeeded, {status.get('failed', 0)} failed",
        likely="pods of the Job were lost or run twice",
        look=f"kubectl get pods -n {live.run.namespace} -l {base.APP_LABEL}={INDEXED_JOB}",
        code=Code.WORKLOAD_INCOMPLETE,
    )


def test_disruption_budget_prevents_eviction(live: RunHandle) -> None:
    """An eviction is rejected while it would violate a PodDisruptionBudget, and then admitted."""
    live.require_running(BUDGETED, "test_unconstrained_pod_runs")
    get_budget = getter(live, "PodDisruptionBudget", BUDGETED)
    at, code = f"PodDisruptionBudget {BUDGETED}", Code.BUDGET_NOT_HONOURED
    waited = wait_for(live, get_budget, lambda budget: allows(budget, 0))
    want = "one healthy pod, no allowed disruption"
    require_done(waited, at, want, "its controller does not update the status", code)
    require_eviction_status(live, 429, "while its budget forbids it")
    live.cluster.patch(live.at("PodDisruptionBudget", BUDGETED), {"spec": {"minAvailable": 0}})
    waited = wait_for(live, get_budget, lambda budget: allows(budget, 1))
    require_done(waited, at, "one allowed disruption", "its controller is slow", code)
    require_eviction_status(live, 201, "when its budget allows it")


def allows(budget: Json, disruptions: int) -> bool:
    """Return whether the status of the budget has one healthy pod and that many disruptions."""
    status = budget.get("status", {})
    return bool(
        status.get("observedGeneration", 0) >= budget["metadata"]["generation"]
        and status.get("currentHealthy", 0) == 1
        and status.get("disruptionsAllowed", 0) == disruptions
    )


def require_eviction_status(live: RunHandle, status: int, when: str) -> None:
    """Require that the API answers a request to evict the pod with that HTTP status."""
    metadata = {"name": BUDGETED, "namespace": live.run.namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    seen, message = 201, "done"
    try:
        live.cluster.request("POST", f"{live.path('pods', BUDGETED)}/eviction", body)
    except ApiStatusError as refusal:
        seen, message = refusal.code, str(refusal)
    require(
        seen == status,
        at=f"eviction of pod {BUDGETED} {when}",
        expected=f"HTTP {status}",
        seen=f"HTTP {seen}: {message}",
        likely="the status of the budget is outdated, or evictions bypass it",
        look=f"kubectl get pdb -n {live.run.namespace} {BUDGETED} -o yaml",
        code=Code.BUDGET_NOT_HONOURED,
    )


def test_owned_object_is_deleted_with_its_owner(live: RunHandle) -> None:
    """Deleting an owner deletes the object that it owns, and no other object."""
    owner = live.cluster.create(workloads.owned(live.run, "owner"))
    live.cluster.create(workloads.owned(live.run, "owned", owner))
    live.cluster.create(workloads.owned(live.run, "unowned"))
    live.cluster.delete(live.path("configmaps", "owner"))

    def names() -> set[str]:
        items = live.cluster.items(live.path("configmaps"))
        return {each["metadata"]["name"] for each in items} & {"owner", "owned", "unowned"}

    _, seen = wait_for(live, names, lambda seen: "owned" not in seen)
    require(
        seen == {"unowned"},
        at=f"ConfigMaps in namespace {live.run.namespace}, after the owner of one was deleted",
        expected="only unowned",
        seen=", ".join(sorted(seen)) or "none",
        likely="the garbage collector of kube-controller-manager is inactive: an unavailable "
        "aggregated API blocks it (kubectl get apiservices)",
        look=LOOK,
        code=Code.GARBAGE_COLLECTION_WRONG,
    )


# ---- helpers ----


def wait_for(
    live: RunHandle,
    get: Callable[[], T],
    done: Callable[[T], bool],
    is_responsible: bool = False,
    app: str = "",
) -> tuple[bool, T]:
    """Poll until ``done``; return whether it was reached, and the last value.

    The wait ends early if the control plane is inactive or if a pod of ``app`` cannot start.
    Without active controllers only the check that is responsible for them fails; others are
    inconclusive.
    """

    def is_over(seen: T) -> bool:
        return done(seen) or is_inactive(live) or bool(app and startup_failure(live, app))

    try:
        seen = poll_until(get, is_over, max(live.left(), live.patience / 2))
    except WaitTimeout as late:
        seen = late.last
    if not done(seen):
        (require_scheduler if is_responsible else require_controllers)(live)
        if app:
            require_startable(live, app)
    return done(seen), seen


def getter(live: RunHandle, kind: str, name: str) -> Callable[[], Json]:
    """Return a function that gets one of the run's objects."""
    path = live.at(kind, name)
    return lambda: dict(live.cluster.get(path))


def require_done(
    waited: tuple[bool, Json],
    at: str,
    expected: str,
    likely: str,
    code: Code = Code.WORKLOAD_INCOMPLETE,
) -> Json:
    """Return the object if it reached the expected state.

    Raises:
        CheckFailed: it did not; the failure shows its status.
    """
    done, created = waited
    status = {
        key: value
        for key, value in created.get("status", {}).items()
        if key.lower().endswith(("replicas", "succeeded", "failed", "healthy", "allowed", "active"))
    }
    require(
        done,
        at=at,
        expected=expected,
        seen=", ".join(f"{key} {value}" for key, value in status.items()) or "no status",
        likely=likely if status else f"no {CONTROLLERS} is active: {likely}",
        look=LOOK,
        code=code,
    )
    return created
