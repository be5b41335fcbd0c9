# SPDX-License-Identifier: Apache-2.0
"""What a pod's API object tells of its fate. Pure."""

from datetime import timedelta
from typing import Any

Json = dict[str, Any]

# A container that waits for one of these seldom starts by waiting longer than this.
HOPELESS = {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
}
HOPE = timedelta(seconds=12)


def node_of(pod: Json) -> str:
    """The node the pod was put on, '' if none."""
    return str(pod["spec"].get("nodeName", ""))


def is_ready(pod: Json) -> bool:
    """Does the pod's container run?"""
    condition = _condition(pod, "Ready")
    return bool(condition.get("status") == "True")


def ready_since(pod: Json) -> str:
    """Since when it runs, as the API writes times; '' if it does not."""
    return str(_condition(pod, "Ready").get("lastTransitionTime", "")) if is_ready(pod) else ""


def waiting_for(pod: Json) -> str:
    """The reason for which the pod's container waits, '' if it does not."""
    return str(_waiting(pod).get("reason", ""))


def refusal(pod: Json) -> str:
    """The scheduler's reason for not placing the pod, '' if it gave none."""
    scheduled = _condition(pod, "PodScheduled")
    return str(scheduled.get("message", "")) if scheduled.get("reason") == "Unschedulable" else ""


def state(pod: Json) -> str:
    """In what state the pod is, and why, as far as it says so itself."""
    status = pod.get("status", {})
    reason = waiting_for(pod) or status.get("reason") or status.get("phase") or "no state"
    message = _waiting(pod).get("message") or refusal(pod)
    return f"{reason}: {message}" if message else str(reason)


def _waiting(pod: Json) -> Json:
    states = [c.get("state", {}) for c in pod.get("status", {}).get("containerStatuses", [])]
    return next((dict(state["waiting"]) for state in states if "waiting" in state), {})


def _condition(pod: Json, kind: str) -> Json:
    conditions = pod.get("status", {}).get("conditions", [])
    return next((dict(each) for each in conditions if each["type"] == kind), {})
