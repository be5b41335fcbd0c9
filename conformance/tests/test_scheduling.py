# SPDX-License-Identifier: Apache-2.0
"""Layer 5, the orchestration: the scheduler puts pods where they must go, and nowhere else.

All pods were made when the run began; the tests look at what became of them.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conformance.api.client import WaitTimeout, poll_until
from conformance.api.core_resources import HOSTNAME
from conformance.api.pods import Json, node_of, unschedulable_reason
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
    """The scheduler puts a pod that wants this very node there."""
    pod = placed(live, own_pod(node), IDLE)
    require_on_node(pod, node, "to which its affinity binds it")


@detects("scheduler-down")
def test_pod_without_wishes_runs(live: RunHandle) -> None:
    """A pod without wishes, asking for little room, is put on a node that has it, and runs."""
    schedulable_node(live)
    pod = live.running(base.DEFAULT_SCHEDULED, IDLE)
    chosen = live.run.node(node_of(pod))
    require(
        not base.tolerations_for(chosen),
        at=f"pod {base.DEFAULT_SCHEDULED}",
        expected="on a node without a taint against it",
        seen=f"on {chosen.name}, tainted {chosen.taints}",
        likely="the scheduler does not honour taints",
        look=SCHEDULER,
    )


def test_node_selector_is_honoured(live: RunHandle) -> None:
    """A pod that selects a node by label is put on that node."""
    node = schedulable_node(live)
    pod = placed(live, base.NODE_SELECTOR, IDLE)
    label = node.labels.get(HOSTNAME, node.name)
    require_on_node(pod, node.name, f"which it selects by {HOSTNAME}={label}")


def test_pod_that_selects_no_node_waits(live: RunHandle) -> None:
    """A pod whose selector matches no node is not put anywhere, and the scheduler says why."""
    schedulable_node(live)
    reason = unplaced(live, base.UNMATCHED_SELECTOR, "the scheduler does not honour node selectors")
    require_reason(base.UNMATCHED_SELECTOR, reason, "node affinity/selector")


def test_taint_keeps_pods_away(live: RunHandle) -> None:
    """A pod without a toleration is not put on a tainted node, even if it can go nowhere else."""
    tainted_node(live)
    reason = unplaced(live, base.UNTOLERATED, "the scheduler does not honour taints")
    require_reason(base.UNTOLERATED, reason, "untolerated taint")


def test_toleration_lets_pods_in(live: RunHandle) -> None:
    """The same pod with a toleration for just these taints is put there."""
    tainted = tainted_node(live)
    pod = placed(live, base.TOLERATED, IDLE)
    require_on_node(pod, tainted.name, "whose taints it tolerates")


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_pod_that_asks_too_much_waits(live: RunHandle, resource: str) -> None:
    """A pod that requests more than any node has stays Pending; the reason names the resource."""
    schedulable_node(live)
    name = base.OVERSIZED.format(resource)
    reason = unplaced(live, name, "the scheduler does not honour resource requests")
    require_reason(name, reason, f"Insufficient {resource}")


def test_pinned_pod_runs(live: RunHandle) -> None:
    """A pod that names its node itself runs there without the scheduler: only the kubelet acts.

    So a dead scheduler is told from a dead kubelet.
    """
    node = schedulable_node(live)
    pod = live.running(scheduling.PINNED, f"the kubelet of {node.name} does not act; see its log")
    require_on_node(pod, node.name, "which it names itself")


# ---- affinity, and how pods are spread ----


def test_node_affinity_is_honoured(live: RunHandle) -> None:
    """A pod that must not be on any other node is put on the one that is left."""
    node = schedulable_node(live)
    pod = placed(live, scheduling.NODE_AFFINITY, IDLE)
    require_on_node(pod, node.name, "the only one that its node affinity leaves")


def test_pod_affinity_is_honoured(live: RunHandle) -> None:
    """A pod that must be beside another is put on its node."""
    schedulable_node(live)
    other = placed(live, base.NODE_SELECTOR, IDLE)
    pod = placed(live, scheduling.POD_AFFINITY, "the scheduler does not honour pod affinity")
    require_on_node(pod, node_of(other), f"beside pod {base.NODE_SELECTOR}")


def test_pod_anti_affinity_is_honoured(live: RunHandle) -> None:
    """Pods that must not be together are on different nodes, or one of them waits."""
    schedulable_node(live)
    pods = settled(live, scheduling.POD_ANTI_AFFINITY)
    nodes = Counter(node_of(pod) for pod in pods if node_of(pod))
    require(
        bool(nodes) and max(nodes.values()) == 1,
        at=f"pods {', '.join(scheduling.POD_ANTI_AFFINITY)}, each with anti-affinity to the other",
        expected="each on a node of its own",
        seen=whereabouts(pods),
        likely="the scheduler does not honour anti-affinity",
        look=SCHEDULER,
    )


def test_pods_are_spread(live: RunHandle) -> None:
    """Pods under a spread constraint are, though they would all rather be on one node."""
    free = live.run.schedulable_nodes()
    if len(free) < 2:
        pytest.skip("fewer than two nodes take ordinary pods: there is nothing to spread over")
    pods = settled(live, scheduling.TOPOLOGY_SPREAD)
    counts = [sum(node_of(pod) == node.name for pod in pods) for node in free]
    require(
        max(counts) - min(counts) <= 1 and sum(counts) == len(pods),
        at=f"pods {', '.join(scheduling.TOPOLOGY_SPREAD)}, with maxSkew 1 over {HOSTNAME}",
        expected=f"on {', '.join(node.name for node in free)}: no more than one pod between them",
        seen=whereabouts(pods),
        likely="the scheduler does not honour topologySpreadConstraints, or a node has no room",
        look=SCHEDULER,
    )


# ---- resources and priority, by resources that only this run knows ----


def test_resource_is_counted(live: RunHandle) -> None:
    """Of three pods that each want one of two, two are placed where it is; one waits for it."""
    node, name = schedulable_node(live), cluster_scoped.resource(live.run, FIT)
    require_outside(live)
    pods = settled(live, scheduling.EXTENDED_RESOURCE)
    names = ", ".join(scheduling.EXTENDED_RESOURCE)
    placed = [node_of(pod) for pod in pods if node_of(pod)]
    waits = [unschedulable_reason(pod) for pod in pods if not node_of(pod)]
    require(
        placed == [node.name] * 2 and len(waits) == 1 and f"Insufficient {name}" in waits[0],
        at=f"pods {names}, each with one {name}; {node.name} has two",
        expected=f"two of them on {node.name}, the third waits: Insufficient {name}",
        seen=whereabouts(pods),
        likely="the scheduler does not count resources, or does not follow what a node has",
        look=SCHEDULER,
    )


@pytest.mark.thorough
def test_higher_priority_comes_first(live: RunHandle) -> None:
    """A pod of higher priority gets the place of one of lower priority, which has to go."""
    node, name = schedulable_node(live), cluster_scoped.resource(live.run, PREEMPTION)
    require_outside(live)
    live.cluster.create(scheduling.low_priority(live.run))
    require_on_node(
        placed_soon(live, scheduling.LOW_PRIORITY, IDLE),
        node.name,
        f"which alone has the resource {name}",
    )
    live.cluster.create(scheduling.high_priority(live.run))
    likely = "the scheduler does not preempt, or the pod that has to go is not ended by its kubelet"
    require_on_node(
        placed_soon(live, scheduling.HIGH_PRIORITY, likely),
        node.name,
        f"in the place of {scheduling.LOW_PRIORITY}",
    )
    left = [pod["metadata"]["name"] for pod in live.pods_of(scheduling.LOW_PRIORITY)]
    require(
        not left,
        at=f"pod {scheduling.LOW_PRIORITY}, after pod {scheduling.HIGH_PRIORITY} was placed",
        expected="gone",
        seen="still there",
        likely=f"more of {name} was found on {node.name} than there is: the scheduler's count",
        look=SCHEDULER,
    )


def require_outside(live: RunHandle) -> None:
    """The run's own priority classes and resources are there; if they may not be, it is a skip."""
    missing = cluster_scoped.missing(live.cluster, live.run)
    if not missing:
        return
    if refused := cluster_scoped.make(live.cluster, live.run):
        pytest.skip(f"the run may not make what this needs: {refused[0]}")
    raise InconclusiveError(f"somebody took away {', '.join(missing)}")


def settled(live: RunHandle, names: list[str]) -> list[Json]:
    """The pods, once the scheduler has put each on a node or said why not.

    Raises:
        CheckFailed: if it does neither in time.
    """
    for name in names:
        with scheduler_acts(live):
            live.decided(name, IDLE)
    try:
        # One that had to wait for another may be placed a moment later.
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
            seen=whereabouts(late.last),
            likely=IDLE,
            look=SCHEDULER,
        ) from None


def whereabouts(pods: list[Json]) -> str:
    """Which pod is where, or why nowhere."""
    return "\n".join(
        f"{pod['metadata']['name']} on {node_of(pod) or f'no node: {unschedulable_reason(pod)}'}"
        for pod in pods
    )


# ---- what several of them need ----


@contextmanager
def scheduler_acts(live: RunHandle) -> Iterator[None]:
    """Where none does, that is what is said, and not that it did this or that wrong."""
    try:
        yield
    except CheckFailed:
        require_scheduler(live)
        raise


def placed(live: RunHandle, name: str, likely: str) -> Json:
    """The pod, once the scheduler gave it a node."""
    with scheduler_acts(live):
        return live.placed(name, likely)


def placed_soon(live: RunHandle, name: str, likely: str) -> Json:
    """The same of a pod that was made a moment ago."""
    with scheduler_acts(live):
        return live.placed_soon(name, likely)


def unplaced(live: RunHandle, name: str, likely: str) -> str:
    """Why the scheduler keeps the pod waiting."""
    with scheduler_acts(live):
        return live.unplaced(name, likely)


def schedulable_node(live: RunHandle) -> NodeStatus:
    """A node that takes ordinary pods; without one, the scheduler refuses all for that reason."""
    node = live.run.schedulable_node()
    return node or pytest.skip("no Ready node takes ordinary pods: all are tainted or cordoned")


def tainted_node(live: RunHandle) -> NodeStatus:
    """A node that is tainted already; the suite taints none of yours."""
    return live.run.tainted() or pytest.skip("no Ready node has a taint that keeps pods away")


def require_reason(pod: str, reason: str, words: str) -> None:
    """The scheduler's message holds the words that name the true reason."""
    require(
        words in reason,
        at=f"pod {pod}: condition PodScheduled",
        expected=f"a message with {words!r}",
        seen=reason,
        likely="another constraint kept it away before this one was looked at",
        look="kubectl get nodes; kubectl describe nodes | grep -A3 -e Taints -e Allocatable",
    )
