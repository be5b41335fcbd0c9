# SPDX-License-Identifier: Apache-2.0
"""Is there anybody to do what a test waits for? Without a leader that acts nothing comes."""

from conformance import stage
from conformance.live import Live
from conformance.outlook import CONTROLLERS, SCHEDULER
from conformance.pods import node_of
from conformance.verdict import CouldNotAskError


def require_controllers(live: Live) -> None:
    """The control plane acts; what else is red without it is told elsewhere, once."""
    if why := live.without(CONTROLLERS):
        raise CouldNotAskError(f"{why} (see test_leader_is_alive, test_deployment_rolls_over)")
    require_scheduler(live)


def require_scheduler(live: Live) -> None:
    """What is made is also placed, and pods may be made at all."""
    if refused := live.made.refused.get(stage.ANYWHERE):
        raise CouldNotAskError(f"pods are refused: {refused.message} (test_creating_is_admitted)")
    if why := live.without(SCHEDULER):
        raise CouldNotAskError(f"{why} (see test_leader_is_alive, test_pod_without_wishes_runs)")


def require_hope(live: Live, app: str) -> None:
    """All pods of that app may yet run: why one never will is told of its node, once."""
    if why := in_vain(live, app):
        raise CouldNotAskError(f"{why} (see test_container_starts)")


def in_vain(live: Live, app: str) -> str:
    """Why a pod of that app will never run; '' while all may."""
    causes = ((pod, live.outlook.cause(pod)) for pod in live.pods_of(app))
    return next(
        (f"pod {pod['metadata']['name']} on {node_of(pod)}: {why}" for pod, why in causes if why),
        "",
    )


def is_idle(live: Live) -> bool:
    """Does a part of the control plane do nothing? Then all waiting is in vain."""
    parts = (CONTROLLERS, SCHEDULER)
    return stage.ANYWHERE in live.made.refused or any(live.without(part) for part in parts)
