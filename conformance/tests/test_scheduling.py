# SPDX-License-Identifier: Apache-2.0
"""Layer 5, the orchestration: the scheduler places pods as their constraints require.

All pods were created at the start of the run; the checks look at their state.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conformance.api.client import WaitTimeout, poll_until
from conformance.api.core_resources import HOSTNAME
from conformance.api.pods import Json, node_of, unschedulable_reason
from conformance.codes import Code
from conformance.deploy.live import RunHandle, require_on_node
from conformance.facts.model import NodeStatus
from conformance.faults import detects
from conformance.manifests import base, cluster_scoped, scheduling
from conformance.manifests.base import own_pod
from conformance.manifests.cluster_scoped import FIT, PREEMPTION
from conformance.outcome import CheckFailed, InconclusiveError, require
from conformance.support.prerequisites import require_scheduler

pytestmark = pytest.mark.orchestration

SCHEDULER = "kubectl get lease -n kube-system kube-scheduler; the scheduler's log"
IDLE = "the scheduler does not run or cannot reach the API"


def test_pod_is_scheduled_to_each_node(live: RunHandle, node: str) -> None:
    """A pod that requires this node is placed there by the scheduler."""
    pod = placed(live, own_pod(node), IDLE)
    require_on_node(pod, node, "as its affinity requires")


@detects("scheduler-down")
def test_unconstrained_pod_runs(live: RunHandle) -> None:
    """A pod without constraints and with small requests is placed on an untainted node and runs."""
    schedulable_node(live)
    pod = live.running(base.DEFAULT_SCHEDULED, IDLE)
    chosen = live.run.node(node_of(pod))
    require(
        not base.tolerations_for(chosen),
        at=f"pod {base.DEFAULT_SCHEDULED}",
        expected="on a node without a taint that excludes it",
        seen=f"on {chosen.name}, tainted {chosen.taints}",
        likely="the scheduler does not honour taints",
        look=SCHEDULER,
        code=Code.CONSTRAINT_NOT_HONOURED,
    )


def test_node_selector_is_honoured(live: RunHandle) -> None:
    """A pod that selects a node by label is placed on that node."""
    node = schedulable_node(live)
    pod = placed(live, base.NODE_SELECTOR, IDLE)
    label = node.labels.get(HOSTNAME, node.name)
    require_on_node(pod, node.name, f"which it selects by {HOSTNAME}={label}")


def test_pod_that_selects_no_node_waits(live: RunHandle) -> None:
    """A pod whose selector matches no node stays Pending, and the scheduler reports the reason."""
    schedulable_node(live)
    reason = unplaced(live, base.UNMATCHED_SELECTOR, "the scheduler does not honour node selectors")
    require_reason(base.UNMATCHED_SELECTOR, reason, "node affinity/selector")


def test_taint_keeps_pods_away(live: RunHandle) -> None:
    """A pod without a toleration is not placed on a tainted node, even if no other node fits."""
    tainted_node(live)
    reason = unplaced(live, base.UNTOLERATED, "the scheduler does not honour taints")
    require_reason(base.UNTOLERATED, reason, "untolerated taint")


def test_toleration_is_honoured(live: RunHandle) -> None:
    """The same pod with a toleration for exactly these taints is placed there."""
    tainted = tainted_node(live)
    pod = placed(live, base.TOLERATED, IDLE)
    require_on_node(pod, tainted.name, "whose taints it tolerates")


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_pod_that_requests_too_much_waits(live: RunHandle, resource: str) -> None:
    """A pod that requests more than any node has stays Pending; the reason names the resource."""
    schedulable_node(live)
    name = base.OVERSIZED.format(resource)
    reason = unplaced(live, name, "the scheduler does not honour resource requests")
    require_reason(name, reason, f"Insufficient {resource}")


def test_pinned_pod_runs(live: RunHandle) -> None:
    """A pod with ``nodeName`` runs without the scheduler.

    This distinguishes a failed scheduler from a failed kubelet.
    """
    node = schedulable_node(live)
    likely = f"the kubelet of {node.name} does not start pods; see its log"
    pod = live.running(scheduling.PINNED, likely)
    require_on_node(pod, node.name, "its nodeName")


# ---- affinity and topology spread ----


def test_node_affinity_is_honoured(live: RunHandle) -> None:
    """A pod whose node affinity excludes all other nodes is placed on the remaining one."""
    node = schedulable_node(live)
    pod = placed(live, scheduling.NODE_AFFINITY, IDLE)
    require_on_node(pod, node.name, "the only node that its node affinity allows")


def test_pod_affinity_is_honoured(live: RunHandle) -> None:
    """A pod with required affinity to another pod is placed on the same node."""
    schedulable_node(live)
    other = placed(live, base.NODE_SELECTOR, IDLE)
    pod = placed(live, scheduling.POD_AFFINITY, "the scheduler does not honour pod affinity")
    require_on_node(pod, node_of(other), f"beside pod {base.NODE_SELECTOR}")


def test_pod_anti_affinity_is_honoured(live: RunHandle) -> None:
    """Pods with anti-affinity to each other are on different nodes, or one of them waits."""
    schedulable_node(live)
    pods = settled(live, scheduling.POD_ANTI_AFFINITY)
    nodes = Counter(node_of(pod) for pod in pods if node_of(pod))
    require(
        bool(nodes) and max(nodes.values()) == 1,
        at=f"pods {', '.join(scheduling.POD_ANTI_AFFINITY)}, each with anti-affinity to the other",
        expected="each on a node of its own",
        seen=placement_of(pods),
        likely="the scheduler does not honour anti-affinity",
        look=SCHEDULER,
        code=Code.CONSTRAINT_NOT_HONOURED,
    )


def test_pods_are_spread(live: RunHandle) -> None:
    """Pods with a topology spread constraint are spread, although they prefer the same node."""
    free = live.run.schedulable_nodes()
    if len(free) < 2:
        pytest.skip("fewer than two nodes accept ordinary pods, so pods cannot be spread")
    pods = settled(live, scheduling.TOPOLOGY_SPREAD)
    counts = [sum(node_of(pod) == node.name for pod in pods) for node in free]
    require(
        max(counts) - min(counts) <= 1 and sum(counts) == len(pods),
        at=f"pods {', '.join(scheduling.TOPOLOGY_SPREAD)}, with maxSkew 1 over {HOSTNAME}",
        expected=f"on {', '.join(node.name for node in free)}: counts that differ by at most one",
        seen=placement_of(pods),
        likely="the scheduler does not honour topologySpreadConstraints, or a node has no capacity",
        look=SCHEDULER,
        code=Code.CONSTRAINT_NOT_HONOURED,
    )


# ---- resources and priority, with resources that only this run defines ----


def test_extended_resource_is_counted(live: RunHandle) -> None:
    """Of three pods that request one of two units, two are placed on their node, and one waits."""
    node, name = schedulable_node(live), cluster_scoped.resource(live.run, FIT)
    require_cluster_scoped_objects(live)
    pods = settled(live, scheduling.EXTENDED_RESOURCE)
    names = ", ".join(scheduling.EXTENDED_RESOURCE)
    placed = [node_of(pod) for pod in pods if node_of(pod)]
    waits = [unschedulable_reason(pod) for pod in pods if not node_of(pod)]
    require(
        placed == [node.name] * 2 and len(waits) == 1 and f"Insufficient {name}" in waits[0],
        at=f"pods {names}, each with one {name}; {node.name} has two",
        expected=f"two of them on {node.name}, the third waits: Insufficient {name}",
        seen=placement_of(pods),
        likely="the scheduler does not count resources, or does not see changes of the node's "
        "capacity",
        look=SCHEDULER,
        code=Code.RESOURCES_MISCOUNTED,
    )


@pytest.mark.thorough
def test_higher_priority_preempts_lower(live: RunHandle) -> None:
    """A pod of higher priority preempts a pod of lower priority."""
    node, name = schedulable_node(live), cluster_scoped.resource(live.run, PREEMPTION)
    require_cluster_scoped_objects(live)
    live.cluster.create(scheduling.low_priority(live.run))
    require_on_node(
        placed_soon(live, scheduling.LOW_PRIORITY, IDLE),
        node.name,
        f"the only node with the resource {name}",
    )
    live.cluster.create(scheduling.high_priority(live.run))
    likely = "the scheduler does not preempt, or the kubelet does not stop the preempted pod"
    require_on_node(
        placed_soon(live, scheduling.HIGH_PRIORITY, likely),
        node.name,
        f"in place of {scheduling.LOW_PRIORITY}",
    )
    left = [pod["metadata"]["name"] for pod in live.pods_of(scheduling.LOW_PRIORITY)]
    require(
        not left,
        at=f"pod {scheduling.LOW_PRIORITY}, after pod {scheduling.HIGH_PRIORITY} was placed",
        expected="deleted",
        seen="still running",
        likely=f"the scheduler allocated more of {name} than {node.name} has",
        look=SCHEDULER,
        code=Code.RESOURCES_MISCOUNTED,
    )


def require_cluster_scoped_objects(live: RunHandle) -> None:
    """Require the run's priority classes and extended resources; skip if they are not permitted.

    Raises:
        InconclusiveError: another client deleted them.
    """
    missing = cluster_scoped.missing(live.cluster, live.run)
    if not missing:
        return
    if refused := cluster_scoped.make(live.cluster, live.run):
        pytest.skip(f"the run may not create the objects that this needs: {refused[0]}")
    raise InconclusiveError(f"deleted during the run: {', '.join(missing)}")


def settled(live: RunHandle, names: list[str]) -> list[Json]:
    """Return the pods when each has a node or a reason of the scheduler.

    Raises:
        CheckFailed: the scheduler did neither in time.
    """
    for name in names:
        with require_active_scheduler(live):
            live.decided(name, IDLE)
    try:
        # A pod that had to wait for another may be placed a moment later.
        return poll_until(
            lambda: [live.cluster.get(live.path("pods", name)) for name in names],
            lambda pods: sum(not node_of(pod) for pod in pods) <= 1,
            live.left(),
        )
    except WaitTimeout as late:
        require_scheduler(live)
        raise CheckFailed(
            at=f"pods {', '.join(names)}",
            expected="a node for all but one",
            seen=placement_of(late.last),
            likely=IDLE,
            look=SCHEDULER,
            code=Code.SCHEDULER_INACTIVE,
        ) from None


def placement_of(pods: list[Json]) -> str:
    """Return the node of each pod, or the reason why it has none."""
    return "\n".join(
        f"{pod['metadata']['name']} on {node_of(pod) or f'no node: {unschedulable_reason(pod)}'}"
        for pod in pods
    )


# ---- helpers ----


@contextmanager
def require_active_scheduler(live: RunHandle) -> Iterator[None]:
    """Turn a failure into an inconclusive result if the scheduler is inactive."""
    try:
        yield
    except CheckFailed:
        require_scheduler(live)
        raise


def placed(live: RunHandle, name: str, likely: str) -> Json:
    """Return the pod when the scheduler has assigned a node."""
    with require_active_scheduler(live):
        return live.placed(name, likely)


def placed_soon(live: RunHandle, name: str, likely: str) -> Json:
    """Return a pod that was just created when the scheduler has assigned a node."""
    with require_active_scheduler(live):
        return live.placed_soon(name, likely)


def unplaced(live: RunHandle, name: str, likely: str) -> str:
    """Return the scheduler's reason why the pod is Pending."""
    with require_active_scheduler(live):
        return live.unplaced(name, likely)


def schedulable_node(live: RunHandle) -> NodeStatus:
    """Return a node that accepts ordinary pods; skip if no node does."""
    node = live.run.schedulable_node()
    return node or pytest.skip("no Ready node accepts ordinary pods: all are tainted or cordoned")


def tainted_node(live: RunHandle) -> NodeStatus:
    """Return a node that is tainted already; the suite does not taint nodes."""
    return live.run.tainted() or pytest.skip("no Ready node has a taint that excludes pods")


def require_reason(pod: str, reason: str, words: str) -> None:
    """Require that the scheduler's message contains the expected reason."""
    require(
        words in reason,
        at=f"pod {pod}: condition PodScheduled",
        expected=f"a message with {words!r}",
        seen=reason,
        likely="another constraint excluded the pod before this one was evaluated",
        look="kubectl get nodes; kubectl describe nodes | grep -A3 -e Taints -e Allocatable",
        code=Code.SCHEDULING_REASON_WRONG,
    )
