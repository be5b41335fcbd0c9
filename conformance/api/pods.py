# SPDX-License-Identifier: Apache-2.0
"""State of a pod, read from its API object and events. Pure."""

from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]

# Reasons of waiting containers that rarely start after GRACE.
FAILING_REASONS = {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
}
GRACE = timedelta(seconds=12)
# Those that mean that the image is missing.
IMAGE = {"ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"}


def node_of(pod: Json) -> str:
    """Return the node of the pod; empty if it is not scheduled."""
    return str(pod["spec"].get("nodeName", ""))


def is_ready(pod: Json) -> bool:
    """Return whether the condition Ready is True."""
    condition = _condition(pod, "Ready")
    return bool(condition.get("status") == "True")


def ready_since(pod: Json) -> str:
    """Return when the pod became ready, as in the API; empty if it is not."""
    return str(_condition(pod, "Ready").get("lastTransitionTime", "")) if is_ready(pod) else ""


def waiting_for(pod: Json) -> str:
    """Return the reason of the waiting container; empty if none waits."""
    return str(_waiting(pod).get("reason", ""))


def unschedulable_reason(pod: Json) -> str:
    """Return why the scheduler rejected every node; empty if it did not."""
    scheduled = _condition(pod, "PodScheduled")
    return str(scheduled.get("message", "")) if scheduled.get("reason") == "Unschedulable" else ""


def state(pod: Json) -> str:
    """Return the pod's state, and its reason if the status contains one."""
    status = pod.get("status", {})
    reason = waiting_for(pod) or status.get("reason") or status.get("phase") or "no state"
    message = _waiting(pod).get("message") or unschedulable_reason(pod)
    return f"{reason}: {message}" if message else str(reason)


def starting_seconds(pod: Json, events: list[Json]) -> float:
    """Return how long the container took to start after kubelet had the pod and the image.

    By the clock of kubelet, in whole seconds.
    """
    moments = [pod["status"]["startTime"]]
    moments += [each["lastTimestamp"] for each in events if each.get("reason") == "Pulled"]
    begin = max(datetime.fromisoformat(moment) for moment in moments if moment)
    running = pod["status"]["containerStatuses"][0]["state"]["running"]
    return (datetime.fromisoformat(running["startedAt"]) - begin).total_seconds()


def is_pulling(pod: Json, events: list[Json]) -> bool:
    """Return whether the pod waits for its image: the pull failed, or has not finished."""
    reasons = [each.get("reason") for each in events]
    return waiting_for(pod) in IMAGE or ("Pulling" in reasons and "Pulled" not in reasons)


def _waiting(pod: Json) -> Json:
    states = [c.get("state", {}) for c in pod.get("status", {}).get("containerStatuses", [])]
    return next((dict(state["waiting"]) for state in states if "waiting" in state), {})


def _condition(pod: Json, kind: str) -> Json:
    conditions = pod.get("status", {}).get("conditions", [])
    return next((dict(each) for each in conditions if each["type"] == kind), {})
