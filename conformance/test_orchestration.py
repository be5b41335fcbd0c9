# SPDX-License-Identifier: Apache-2.0
"""Layer 5, the orchestration: the scheduler puts pods where they must go, and nowhere else.

All pods were made when the run began; the tests look at what became of them.
"""

import pytest

from conformance import stage
from conformance.facts import NodeStatus
from conformance.live import Live, require_placed
from conformance.pods import node_of
from conformance.roster import HOSTNAME
from conformance.stage import own_pod
from conformance.verdict import require

pytestmark = pytest.mark.orchestration

SCHEDULER = "kubectl get lease -n kube-system kube-scheduler; the scheduler's log"
IDLE = "the scheduler does not run or cannot reach the API"


def test_pod_is_scheduled_to_each_node(live: Live, node: str) -> None:
    """The scheduler puts a pod that wants this very node there."""
    pod = live.placed(own_pod(node), IDLE)
    require_placed(pod, node, "to which its affinity binds it")


def test_pod_without_wishes_runs(live: Live) -> None:
    """A pod without wishes, asking for little room, is put on a node that has it, and runs."""
    welcoming_node(live)
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
    """A pod that selects a node by label is put on that node."""
    welcoming = welcoming_node(live)
    pod = live.placed(stage.SELECTED, IDLE)
    label = welcoming.labels.get(HOSTNAME, welcoming.name)
    require_placed(pod, welcoming.name, f"which it selects by {HOSTNAME}={label}")


def test_pod_that_selects_no_node_waits(live: Live) -> None:
    """A pod whose selector matches no node is not put anywhere, and the scheduler says why."""
    welcoming_node(live)
    reason = live.unplaced(stage.UNSELECTED, "the scheduler does not honour node selectors")
    require_reason(stage.UNSELECTED, reason, "node affinity/selector")


def test_taint_keeps_pods_away(live: Live) -> None:
    """A pod without a toleration is not put on a tainted node, even if it can go nowhere else."""
    tainted_node(live)
    reason = live.unplaced(stage.REFUSED, "the scheduler does not honour taints")
    require_reason(stage.REFUSED, reason, "untolerated taint")


def test_toleration_lets_pods_in(live: Live) -> None:
    """The same pod with a toleration for just these taints is put there."""
    tainted = tainted_node(live)
    pod = live.placed(stage.TOLERATED, IDLE)
    require_placed(pod, tainted.name, "whose taints it tolerates")


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_pod_that_asks_too_much_waits(live: Live, resource: str) -> None:
    """A pod that requests more than any node has stays Pending; the reason names the resource."""
    welcoming_node(live)
    name = stage.GREEDY.format(resource)
    reason = live.unplaced(name, "the scheduler does not honour resource requests")
    require_reason(name, reason, f"Insufficient {resource}")


def welcoming_node(live: Live) -> NodeStatus:
    """A node that takes ordinary pods; without one, the scheduler refuses all for that reason."""
    node = live.run.welcoming()
    return node or pytest.skip("no Ready node takes ordinary pods: all are tainted or cordoned")


def tainted_node(live: Live) -> NodeStatus:
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
