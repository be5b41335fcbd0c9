# SPDX-License-Identifier: Apache-2.0
"""Prerequisites of checks: a control plane that acts, a path between nodes, a kubelet that answers.

Where one is missing the check is inconclusive, and its message names the check that judges it.
"""

import pytest

from conformance.api.pods import node_of
from conformance.deploy.live import RunHandle
from conformance.deploy.pod_monitor import CONTROLLERS, SCHEDULER
from conformance.facts.model import Facts
from conformance.facts.network import Answer, Paths, Ping
from conformance.manifests import base, services
from conformance.outcome import InconclusiveError, Unavailable, value_or_skip
from conformance.support import causes

# ---- the control plane ----


def require_controllers(live: RunHandle) -> None:
    """The control plane acts; what else is red without it is told elsewhere, once."""
    if why := live.why_inactive(CONTROLLERS):
        raise InconclusiveError(f"{why} (see test_leader_is_alive, test_deployment_rolls_over)")
    require_scheduler(live)


def require_scheduler(live: RunHandle) -> None:
    """What is made is also placed, and pods may be made at all."""
    if refused := live.creation.rejected.get(base.DEFAULT_SCHEDULED):
        raise InconclusiveError(f"pods are refused: {refused.message} (test_creating_is_admitted)")
    if why := live.why_inactive(SCHEDULER):
        raise InconclusiveError(f"{why} (see test_leader_is_alive, test_pod_without_wishes_runs)")


def require_startable(live: RunHandle, app: str) -> None:
    """All pods of that app may yet run: why one never will is told of its node, once."""
    if why := startup_failure(live, app):
        raise InconclusiveError(f"{why} (see test_container_starts)")


def startup_failure(live: RunHandle, app: str) -> str:
    """Why a pod of that app will never run; '' while all may."""
    for pod in live.pods_of(app):
        if why := live.pod_monitor.cause(pod):
            return f"pod {pod['metadata']['name']} on {node_of(pod)}: {why}"
    return ""


def is_inactive(live: RunHandle) -> bool:
    """Does a part of the control plane do nothing? Then all waiting is in vain."""
    parts = (CONTROLLERS, SCHEDULER)
    return base.DEFAULT_SCHEDULED in live.creation.rejected or any(
        live.why_inactive(part) for part in parts
    )


# ---- paths between nodes ----


def paths(facts: Facts, node: str) -> Paths:
    """What the node's probes saw of the ways to others."""
    return value_or_skip(facts.view(node).paths)


def require_path(facts: Facts, source: str, target: str) -> None:
    """Between these pods packets must pass at all, or nothing else can be asked.

    Raises:
        InconclusiveError: naming the test that judges it.
    """
    if (source, target) in causes.lost_pairs(facts):
        where = f"test_pod_reaches_pod[{source}->{target}]"
        raise InconclusiveError(f"{source} -> {target}: no packet passes (see {where})")


def require_kubelets(facts: Facts) -> None:
    """Every kubelet has let its node's pods be asked, or something is not known here.

    Raises:
        InconclusiveError: naming the nodes whose kubelets did not answer.
    """
    if deaf := causes.deaf_nodes(facts):
        raise InconclusiveError("; ".join(deaf.values()))


def least_of(facts: Facts, source: str, target: str) -> float | None:
    """The time of the quickest echo between two nodes' pods; old recordings know the mean only."""
    pings = facts.view(source).pod_pings
    ping = None if isinstance(pings, Unavailable) else pings.get(target)
    return None if not isinstance(ping, Ping) else ping.least or ping.ms


def direct(facts: Facts, source: str, target: str) -> Answer:
    """What the service whose only pod is on the target told the source.

    Raises:
        InconclusiveError: if that pod did not run.
    """
    answers = value_or_skip(paths(facts, source).direct)
    if target not in sorted(facts.nodes)[: services.MOST_TARGETS]:
        pytest.skip(f"only the first {services.MOST_TARGETS} nodes have a service of their own")
    if target not in answers:
        raise InconclusiveError(
            f"{source} -> {target}: the pod on {target} did not run (see test_container_starts)"
        )
    return answers[target]
