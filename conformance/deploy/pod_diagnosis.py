# SPDX-License-Identifier: Apache-2.0
"""Why a pod will never run: one cause, read from its own state, its events and its node. Pure.

An official end-to-end test waits five minutes for such a pod and leaves the reason in the events.
Here the reason is what the test says, and nobody waits for what cannot come.
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

# A kubelet renews its lease every ten seconds; its node counts as Ready for forty to fifty.
SILENT = timedelta(seconds=25)
# After which a kubelet that speaks has said something of a pod that is its own.
NOTICED = timedelta(seconds=25)
UNTOUCHED = timedelta(seconds=8)
# Events of a pod that cannot start, once it had some time to: a first try may come too early.
IN_VAIN = ("FailedCreatePodSandBox", "FailedMount", "NetworkNotReady", "FailedCreatePodContainer")

MOVES = ("Pulling", "Pulled", "Created", "Started")

# What runtimes and plug-ins say, and what it means.
MEANINGS = (
    (r"pod sandbox: .*?failed to pull image \"?([^\"\s@]+[^\"\s@:])", "no sandbox image {}"),
    (r"(?:get|pull) sandbox image \"?([^\"\s@]+[^\"\s@:])", "no sandbox image {}"),
    (r"subnet\.env: no such file", "flannel has not written /run/flannel/subnet.env"),
    (
        r"cni plugin not initialized|no networks found in|cni config uninitialized",
        "no CNI configuration: nothing in /etc/cni/net.d",
    ),
    (r"failed to find plugin \"([^\"]+)\"", "the CNI plug-in {} is not on the node"),
    (r"no IP addresses available", "no address is left in the node's subnet"),
    (r"(\S+ \"[^\"]+\") not found", "{} is not there"),
)
LONGEST = 240  # of a message that nobody knows


def of_pod(pod: Json, events: Iterable[Json], silence: timedelta | None, now: datetime) -> str:
    """Why waiting for the pod to run is in vain; '' while there is hope.

    Args:
        pod: as the API has it, on a node.
        events: those of the pod.
        silence: since when its node's kubelet has not renewed its lease; `None` if nobody knows.
        now: by the API's clock.
    """
    age = now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    if is_ready(pod) or not node_of(pod):
        return ""
    if pod.get("status", {}).get("phase") == "Failed":
        return state(pod)
    if age > GRACE and waiting_for(pod) in FAILING_REASONS:
        return meaning(state(pod))
    if age > GRACE and (told := in_vain(events)):
        return meaning(told)
    if silence and silence > SILENT and age > UNTOUCHED:
        return f"its kubelet is silent: the last sign of it was {silence.total_seconds():.0f} s ago"
    if not pod.get("status", {}).get("startTime") and age > NOTICED:
        return f"its kubelet has not taken the pod in {age.total_seconds():.0f} s"
    return ""


def of_node(node: NodeStatus) -> str:
    """Why nothing new starts on the node; '' if it is Ready."""
    return "" if node.ready else f"the node is not Ready: {meaning(node.why_not_ready)}"


def of_placing(pod: Json, leader: str, now: datetime) -> str:
    """Why the pod gets no node; '' while there is hope. `leader`: what is wrong with its lease."""
    age = now - datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    if node_of(pod) or unschedulable_reason(pod) or age < UNTOUCHED:
        return ""
    return leader


def in_vain(events: Iterable[Json]) -> str:
    """What the last event says, if that is that the pod cannot start; '' if it may yet.

    A kubelet tries again after ten to fifteen seconds (its backOffPeriod). What nobody knows the
    meaning of may be chance (two that make control groups at once), so it has to come twice.
    """
    ordered = sorted(events, key=moment)
    begun = [event for event in ordered if event["reason"] in (*IN_VAIN, *MOVES)]
    if not begun or begun[-1]["reason"] not in IN_VAIN:
        return ""
    last = begun[-1]
    tries = sum(times(event) for event in begun if event["reason"] == last["reason"])
    told = f"{last['reason']}: {last['message']}"
    return told if tries > 1 or cause(told) else ""


def times(event: Json) -> int:
    """How often the event was seen."""
    return max(int(event.get("count") or 1), int((event.get("series") or {}).get("count") or 1))


def moment(event: Json) -> str:
    """When the event was seen last; whatever has no time comes first."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return max((str(time) for time in times if time), default="")


def cause(message: str) -> str:
    """What a runtime's message comes to in a few words; '' if nobody knows."""
    for pattern, words in MEANINGS:
        if found := re.search(pattern, message):
            return words.format(*found.groups())
    return ""


def meaning(message: str) -> str:
    """What a runtime's long message comes to; its end, if nobody knows it."""
    words, short = cause(message), shortened(message, LONGEST)
    return f"{words} ({short})" if words else short


def shortened(message: str, longest: int) -> str:
    """The message in one line; of one that is too long, begin and end: there the cause is."""
    line = " ".join(message.split())
    if len(line) <= longest:
        return line
    return f"{line[: longest // 3]} … {line[-2 * longest // 3 :]}"


def common(causes: dict[str, str], nodes: Iterable[str]) -> dict[str, str]:
    """By node, with one voice: what stops all nodes in the same way is said of all of them."""
    names = sorted(nodes)
    words = {name: causes.get(name, "") for name in names}
    told = {re.sub(r"\d+ s\b", "", cause) for cause in words.values()}
    if len(names) > 1 and len(told) == 1 and words[names[0]]:
        return dict.fromkeys(names, f"on all {len(names)} nodes: {words[names[0]]}")
    return {name: f"{name}: {cause}" for name, cause in words.items() if cause}
