# SPDX-License-Identifier: Apache-2.0
"""Layer 5, the orchestration: the scheduler puts pods where they must go, and nowhere else.

All pods were made when the run began; the tests look at what became of them.
"""

import pytest

from conformance import stage
from conformance.live import Live, node_of, require_placed
from conformance.roster import HOSTNAME
from conformance.stage import own_pod
from conformance.verdict import require

pytestmark = pytest.mark.orchestration

SCHEDULER = "kubectl get lease -n kube-system kube-scheduler; the scheduler's log"
IDLE = "the scheduler does not run or cannot reach the API"


def test_pod_is_scheduled_to_each_node(live: Live, node: str) -> None:
    """The scheduler puts a pod that wants this very node there, and it runs."""
    pod = live.running(own_pod(node), "the scheduler, or the node's kubelet, does not act")
    require_placed(pod, node, "to which its affinity binds it")


def test_pod_without_wishes_runs(live: Live) -> None:
    """A pod without wishes, asking for little room, is put on a node that has it, and runs."""
    if live.run.welcoming() is None:
        pytest.skip("no Ready node takes ordinary pods: all are tainted or cordoned")
    pod = live.running(stage.ANYWHERE, IDLE)
    chosen = live.run.node(node_of(pod))
    require(
        not stage.repellent(chosen),
        at=f"pod {stage.ANYWHERE}",
        expected="on a node without a taint against it",
        seen=f"on {chosen.name}, tainted {chosen.taints}",
        likely="the scheduler does not honour taints",
        look=SCHEDULER,
    )


def test_node_selector_is_honoured(live: Live) -> None:
    """A pod that selects a node by label runs on that node."""
    welcoming = live.run.welcoming()
    if welcoming is None:
        pytest.skip("no Ready node takes ordinary pods: all are tainted or cordoned")
    pod = live.running(stage.SELECTED, IDLE)
    label = welcoming.labels.get(HOSTNAME, welcoming.name)
    require_placed(pod, welcoming.name, f"which it selects by {HOSTNAME}={label}")


def test_pod_that_selects_no_node_waits(live: Live) -> None:
    """A pod whose selector matches no node is not put anywhere, and the scheduler says why."""
    reason = live.unplaced(stage.UNSELECTED, "the scheduler does not honour node selectors")
    require_reason(stage.UNSELECTED, reason, "node affinity/selector")


def test_taint_keeps_pods_away(live: Live) -> None:
    """A pod without a toleration is not put on a tainted node, even if it can go nowhere else."""
    tainted = live.run.tainted()
    if tainted is None:
        pytest.skip("no Ready node has a NoSchedule taint, and the suite taints no node of yours")
    reason = live.unplaced(stage.REFUSED, "the scheduler does not honour taints")
    require_reason(stage.REFUSED, reason, "untolerated taint")


def test_toleration_lets_pods_in(live: Live) -> None:
    """The same pod with a toleration for just these taints runs there."""
    tainted = live.run.tainted()
    if tainted is None:
        pytest.skip("no Ready node has a NoSchedule taint, and the suite taints no node of yours")
    pod = live.running(stage.TOLERATED, IDLE)
    require_placed(pod, tainted.name, "whose taints it tolerates")


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_pod_that_asks_too_much_waits(live: Live, resource: str) -> None:
    """A pod that requests more than any node has stays Pending; the reason names the resource."""
    name = stage.GREEDY.format(resource)
    reason = live.unplaced(name, "the scheduler does not honour resource requests")
    require_reason(name, reason, f"Insufficient {resource}")


def require_reason(pod: str, reason: str, words: str) -> None:
    """The scheduler's message holds the words that name the true reason."""
    require(
        words in reason,
        at=f"pod {pod}: condition PodScheduled",
        expected=f"a message with {words!r}",
        seen=reason,
        likely="no node was even considered: all may be tainted, cordoned or not Ready",
        look="kubectl get nodes; kubectl describe nodes | grep -A3 Taints",
    )
