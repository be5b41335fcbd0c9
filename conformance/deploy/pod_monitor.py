# SPDX-License-Identifier: Apache-2.0
"""Leases, and events of the run's pods, cached for a short time. Input of ``pod_diagnosis``.

Waits for a pod stop when the monitor returns a cause.
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
FRESH_SECONDS = 2.0  # maximum age of a cached response; concurrent waits share it
SLACK = 5.0  # seconds of tolerance for the renewal of a Lease
SCHEDULER, CONTROLLERS = "kube-scheduler", "kube-controller-manager"


@dataclass
class PodMonitor:
    """Diagnosis of the run's pods by Leases and events."""

    cluster: Cluster
    run: Run
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict, repr=False)

    def cause(self, pod: Json) -> str:
        """Return why the pod cannot run; empty if it may, or if the cause is not known."""
        now = self.cluster.now()
        if not node_of(pod):
            return pod_diagnosis.of_unscheduled_pod(pod, self.why_inactive(SCHEDULER), now)
        age = self._lease_ages().get(node_of(pod))
        return pod_diagnosis.of_pod(pod, self.events(pod["metadata"]["name"]), age, now)

    def why_inactive(self, component: str) -> str:
        """Return why a component of the control plane is inactive; empty if active or unknown."""
        leaders = self._fresh("leaders", lambda: core_resources.leaders(self.cluster))
        return inactive_reason(component, leaders) if leaders else ""

    def events(self, name: str) -> list[Json]:
        """Return the events of one of the run's pods."""
        path = f"/api/v1/namespaces/{self.run.namespace}/events"
        events = self._fresh("events", lambda: self.cluster.items(path))
        return [event for event in events or [] if event["involvedObject"].get("name") == name]

    def _lease_ages(self) -> dict[str, timedelta]:
        return self._fresh("lease ages", lambda: core_resources.lease_ages(self.cluster)) or {}

    def _fresh(self, what: str, read: Callable[[], T]) -> T | None:
        """Return a recent response; ``None`` if the request failed."""
        then, kept = self._kept.get(what, (0.0, None))
        answer: T | None = kept
        if not then or time.monotonic() - then > FRESH_SECONDS:
            try:
                answer = read()
            except InconclusiveError:
                answer = None
            self._kept[what] = (time.monotonic(), answer)
        return answer


def inactive_reason(name: str, leaders: dict[str, Leader]) -> str:
    """Return why a component of the control plane is inactive; empty if its Lease is renewed."""
    leader = leaders.get(name)
    if leader is None or leader.age <= leader.term + SLACK:
        return ""
    return f"no active {name}: {leader.holder} renewed its lease {leader.age:.0f} s ago"
