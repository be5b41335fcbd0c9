# SPDX-License-Identifier: Apache-2.0
"""What a pod's API object tells of its fate. Pure."""

from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]

# A container that waits for one of these seldom starts by waiting longer than this.
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
# Those of them that say that there is no image.
IMAGE = {"ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"}


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


def unschedulable_reason(pod: Json) -> str:
    """The scheduler's reason for not placing the pod, '' if it gave none."""
    scheduled = _condition(pod, "PodScheduled")
    return str(scheduled.get("message", "")) if scheduled.get("reason") == "Unschedulable" else ""


def state(pod: Json) -> str:
    """In what state the pod is, and why, as far as it says so itself."""
    status = pod.get("status", {})
    reason = waiting_for(pod) or status.get("reason") or status.get("phase") or "no state"
    message = _waiting(pod).get("message") or unschedulable_reason(pod)
    return f"{reason}: {message}" if message else str(reason)


def starting_seconds(pod: Json, events: list[Json]) -> float:
    """How long its container took to run, once the node's kubelet knew of it and had the image.

    All by the kubelet's clock, in whole seconds.
    """
    moments = [pod["status"]["startTime"]]
    moments += [each["lastTimestamp"] for each in events if each.get("reason") == "Pulled"]
    begin = max(datetime.fromisoformat(moment) for moment in moments if moment)
    running = pod["status"]["containerStatuses"][0]["state"]["running"]
    return (datetime.fromisoformat(running["startedAt"]) - begin).total_seconds()


def is_pulling(pod: Json, events: list[Json]) -> bool:
    """Does the pod wait for its image: refused, or asked for and not come?"""
    reasons = [each.get("reason") for each in events]
    return waiting_for(pod) in IMAGE or ("Pulling" in reasons and "Pulled" not in reasons)


def _waiting(pod: Json) -> Json:
    states = [c.get("state", {}) for c in pod.get("status", {}).get("containerStatuses", [])]
    return next((dict(state["waiting"]) for state in states if "waiting" in state), {})


def _condition(pod: Json, kind: str) -> Json:
    conditions = pod.get("status", {}).get("conditions", [])
    return next((dict(each) for each in conditions if each["type"] == kind), {})
