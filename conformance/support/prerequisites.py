# SPDX-License-Identifier: Apache-2.0
"""Prerequisites of checks: an active control plane, a path between nodes, kubelets that answer.

Without one the check is inconclusive, and the message names the check that covers the cause.
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
    """Require an active kube-controller-manager and kube-scheduler.

    Raises:
        InconclusiveError: one of them has no active leader.
    """
    if why := live.why_inactive(CONTROLLERS):
        raise InconclusiveError(
            f"{why} (see test_leader_is_alive, test_deployment_rolling_update_keeps_pods_available)"
        )
    require_scheduler(live)


def require_scheduler(live: RunHandle) -> None:
    """Require that pods are admitted and that kube-scheduler is active.

    Raises:
        InconclusiveError: pods are rejected, or kube-scheduler has no active leader.
    """
    if refused := live.creation.rejected.get(base.DEFAULT_SCHEDULED):
        raise InconclusiveError(
            f"pods are rejected: {refused.message} (test_ordinary_objects_are_admitted)"
        )
    if why := live.why_inactive(SCHEDULER):
        raise InconclusiveError(f"{why} (see test_leader_is_alive, test_unconstrained_pod_runs)")


def require_startable(live: RunHandle, app: str) -> None:
    """Require that every pod of the application can still start.

    Raises:
        InconclusiveError: one of them cannot.
    """
    if why := startup_failure(live, app):
        raise InconclusiveError(f"{why} (see test_container_starts)")


def startup_failure(live: RunHandle, app: str) -> str:
    """Return why a pod of the application cannot start, or an empty string."""
    for pod in live.pods_of(app):
        if why := live.pod_monitor.cause(pod):
            return f"pod {pod['metadata']['name']} on {node_of(pod)}: {why}"
    return ""


def is_inactive(live: RunHandle) -> bool:
    """Return whether a part of the control plane is inactive, so that waiting is useless."""
    parts = (CONTROLLERS, SCHEDULER)
    return base.DEFAULT_SCHEDULED in live.creation.rejected or any(
        live.why_inactive(part) for part in parts
    )


# ---- paths between nodes ----


def paths(facts: Facts, node: str) -> Paths:
    """Return what the probes of the node measured on paths to other nodes."""
    return value_or_skip(facts.view(node).paths)


def require_path(facts: Facts, source: str, target: str) -> None:
    """Require that packets pass between the pods of two nodes.

    Raises:
        InconclusiveError: no packet passes; names the check that covers it.
    """
    if (source, target) in causes.lost_pairs(facts):
        where = f"test_pod_reaches_pod[{source}->{target}]"
        raise InconclusiveError(f"{source} -> {target}: no packet passes (see {where})")


def require_kubelets(facts: Facts) -> None:
    """Require that every kubelet answered, as otherwise facts of its node are missing.

    Raises:
        InconclusiveError: names the nodes whose kubelets did not answer.
    """
    if unreachable := causes.unreachable_kubelets(facts):
        raise InconclusiveError("; ".join(unreachable.values()))


def least_of(facts: Facts, source: str, target: str) -> float | None:
    """Return the shortest round trip between pods; old recordings have only the mean."""
    pings = facts.view(source).pod_pings
    ping = None if isinstance(pings, Unavailable) else pings.get(target)
    return None if not isinstance(ping, Ping) else ping.least or ping.ms


def direct(facts: Facts, source: str, target: str) -> Answer:
    """Return the answer that the source got from the service whose only pod is on the target.

    Raises:
        InconclusiveError: that pod did not run.
    """
    answers = value_or_skip(paths(facts, source).direct)
    if target not in sorted(facts.nodes)[: services.MOST_TARGETS]:
        pytest.skip(f"only the first {services.MOST_TARGETS} nodes have a service of their own")
    if target not in answers:
        raise InconclusiveError(
            f"{source} -> {target}: the pod on {target} did not run (see test_container_starts)"
        )
    return answers[target]
