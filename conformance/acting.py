# SPDX-License-Identifier: Apache-2.0
"""Is there anybody to do what a test waits for? Without a leader that acts nothing comes."""

from conformance import stage
from conformance.live import Live
from conformance.outlook import CONTROLLERS, SCHEDULER
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


def is_idle(live: Live) -> bool:
    """Does a part of the control plane do nothing? Then all waiting is in vain."""
    parts = (CONTROLLERS, SCHEDULER)
    return stage.ANYWHERE in live.made.refused or any(live.without(part) for part in parts)
