# SPDX-License-Identifier: Apache-2.0
"""Leases and events of the run's pods, cached for a short time, as `pod_diagnosis` needs them.

Whoever waits for a pod looks here, too, and stops waiting when it says why that is in vain.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from conformance.api import core_resources
from conformance.api.client import Cluster
from conformance.api.pods import Json, node_of
from conformance.deploy import pod_diagnosis
from conformance.facts.model import Leader
from conformance.manifests.base import Run
from conformance.outcome import InconclusiveError

T = TypeVar("T")
FRESH_SECONDS = 2.0  # for so long an answer is good; many waits share it
SLACK = 5.0  # seconds by which a lease's holder may be late
SCHEDULER, CONTROLLERS = "kube-scheduler", "kube-controller-manager"


@dataclass
class PodMonitor:
    """What a run's pods have before them, as far as the API knows."""

    cluster: Cluster
    run: Run
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict, repr=False)

    def cause(self, pod: Json) -> str:
        """Why the pod will never run; '' while it may, or if nobody knows."""
        now = self.cluster.now()
        if not node_of(pod):
            return pod_diagnosis.of_placing(pod, self.without(SCHEDULER), now)
        silence = self._silences().get(node_of(pod))
        return pod_diagnosis.of_pod(pod, self.events(pod["metadata"]["name"]), silence, now)

    def without(self, leader: str) -> str:
        """What is wrong with a leader of the control plane; '' if it leads, or nobody knows."""
        told = self._fresh("leaders", lambda: core_resources.leaders(self.cluster))
        return missing(leader, told) if told else ""

    def events(self, name: str) -> list[Json]:
        """The events of one of the run's pods."""
        path = f"/api/v1/namespaces/{self.run.namespace}/events"
        told = self._fresh("events", lambda: self.cluster.items(path))
        return [event for event in told or [] if event["involvedObject"].get("name") == name]

    def _silences(self) -> dict[str, timedelta]:
        """Since when each kubelet has not renewed its lease, by node."""
        return self._fresh("silences", lambda: core_resources.silences(self.cluster)) or {}

    def _fresh(self, what: str, ask: Callable[[], T]) -> T | None:
        """An answer that is not old; `None` if the API gives none: then there is hope yet."""
        then, kept = self._kept.get(what, (0.0, None))
        answer: T | None = kept
        if not then or time.monotonic() - then > FRESH_SECONDS:
            try:
                answer = ask()
            except InconclusiveError:
                answer = None
            self._kept[what] = (time.monotonic(), answer)
        return answer


def missing(name: str, leaders: dict[str, Leader]) -> str:
    """Why a part of the control plane does nothing, by its lease; '' if that is renewed."""
    leader = leaders.get(name)
    if leader is None or leader.age <= leader.term + SLACK:
        return ""
    return f"no {name} acts: its lease was renewed {leader.age:.0f} s ago, by {leader.holder}"
