# SPDX-License-Identifier: Apache-2.0
"""Why a pod cannot start: one cause, from its state, its events and its node. Pure.

The Kubernetes end-to-end tests wait five minutes for such a pod and leave the reason in the events.
Here the failure contains the reason, and waits end early.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from conformance.api.pods import (
    FAILING_REASONS,
    GRACE,
    Json,
    is_ready,
    node_of,
    state,
    unschedulable_reason,
    waiting_for,
)
from conformance.facts.model import NodeStatus

# A kubelet renews its Lease every ten seconds; its node remains Ready for forty to fifty.
SILENT = timedelta(seconds=25)
# After which a working kubelet has set the status of a pod on its node.
NOTICED = timedelta(seconds=25)
UNTOUCHED = timedelta(seconds=8)
# Events of a pod that cannot start; ignored for GRACE, because a first attempt may be too early.
FAILURES = ("FailedCreatePodSandBox", "FailedMount", "NetworkNotReady", "FailedCreatePodContainer")
PROGRESS = ("Pulling", "Pulled", "Created", "Started")

# Messages of runtimes and CNI plug-ins, and their causes.
MEANINGS = (
    (r"pod sandbox: .*?failed to pull image \"?([^\"\s@]+[^\"\s@:])", "no sandbox image {}"),
    (r"(?:get|pull) sandbox image \"?([^\"\s@]+[^\"\s@:])", "no sandbox image {}"),
    (r"subnet\.env: no such file", "flannel has not written /run/flannel/subnet.env"),
    (
        r"cni plugin not initialized|no networks found in|cni config uninitialized",
        "no CNI configuration: nothing in /etc/cni/net.d",
    ),
    (r"failed to find plugin \"([^\"]+)\"", "the CNI plug-in {} is not installed on the node"),
    (r"no IP addresses available", "the node's subnet has no free address"),
    (r"(\S+ \"[^\"]+\") not found", "{} does not exist"),
)
LONGEST = 240  # characters of a message without a known cause


def of_pod(pod: Json, events: Iterable[Json], lease_age: timedelta | None, now: datetime) -> str:
    """Return why a scheduled pod cannot run; empty if it may.

    Args:
        pod: the API object.
        events: those of the pod.
        lease_age: time since the kubelet of its node renewed the Lease; ``None`` if not known.
        now: by the API server's clock.
    """
    age = now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    if is_ready(pod) or not node_of(pod):
        return ""
    if pod.get("status", {}).get("phase") == "Failed":
        return state(pod)
    if age > GRACE and waiting_for(pod) in FAILING_REASONS:
        return meaning(state(pod))
    if age > GRACE and (failure := last_failure(events)):
        return meaning(failure)
    if lease_age and lease_age > SILENT and age > UNTOUCHED:
        return f"its kubelet does not respond: lease renewed {lease_age.total_seconds():.0f} s ago"
    if not pod.get("status", {}).get("startTime") and age > NOTICED:
        return f"its kubelet has not accepted the pod within {age.total_seconds():.0f} s"
    return ""


def of_node(node: NodeStatus) -> str:
    """Return why no pod starts on the node; empty if it is Ready."""
    return "" if node.ready else f"the node is not Ready: {meaning(node.why_not_ready)}"


def of_unscheduled_pod(pod: Json, inactive: str, now: datetime) -> str:
    """Return why the pod is not scheduled; empty if it may be.

    Args:
        pod: the API object.
        inactive: why the scheduler is inactive, empty if it is active.
        now: by the API server's clock.
    """
    age = now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    if node_of(pod) or unschedulable_reason(pod) or age < UNTOUCHED:
        return ""
    return inactive


def last_failure(events: Iterable[Json]) -> str:
    """Return the last event if it is a failure to start the pod; empty if the pod may start.

    A kubelet retries after ten to fifteen seconds (its backOffPeriod). A failure without a known
    cause may be a race (of two cgroups that are created at once), so it has to occur twice.
    """
    ordered = sorted(events, key=last_seen)
    relevant = [event for event in ordered if event["reason"] in (*FAILURES, *PROGRESS)]
    if not relevant or relevant[-1]["reason"] not in FAILURES:
        return ""
    last = relevant[-1]
    count = sum(occurrences(event) for event in relevant if event["reason"] == last["reason"])
    failure = f"{last['reason']}: {last['message']}"
    return failure if count > 1 or cause(failure) else ""


def occurrences(event: Json) -> int:
    """Return how often the event occurred."""
    return max(int(event.get("count") or 1), int((event.get("series") or {}).get("count") or 1))


def last_seen(event: Json) -> str:
    """Return when the event occurred last; empty without a time."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return max((str(time) for time in times if time), default="")


def cause(message: str) -> str:
    """Return the cause of a runtime's message in a few words; empty if it is not known."""
    for pattern, words in MEANINGS:
        if found := re.search(pattern, message):
            return words.format(*found.groups())
    return ""


def meaning(message: str) -> str:
    """Return the known cause, if any, and the message, shortened."""
    words, short = cause(message), shortened(message, LONGEST)
    return f"{words} ({short})" if words else short


def shortened(message: str, longest: int) -> str:
    """Return the message in one line; cut its middle, because the cause is at the end."""
    line = " ".join(message.split())
    if len(line) <= longest:
        return line
    return f"{line[: longest // 3]} … {line[-2 * longest // 3 :]}"


def common(causes: dict[str, str], nodes: Iterable[str]) -> dict[str, str]:
    """Return the cause of each node; a cause that all nodes share is marked as such."""
    names = sorted(nodes)
    by_node = {name: causes.get(name, "") for name in names}
    distinct = {re.sub(r"\d+ s\b", "", cause) for cause in by_node.values()}
    if len(names) > 1 and len(distinct) == 1 and by_node[names[0]]:
        return dict.fromkeys(names, f"on all {len(names)} nodes: {by_node[names[0]]}")
    return {name: f"{name}: {cause}" for name, cause in by_node.items() if cause}
