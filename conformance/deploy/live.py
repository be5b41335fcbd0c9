# SPDX-License-Identifier: Apache-2.0
"""What active tests need of a living cluster: the run's pods, their fate, and a shell in them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from conformance.api.client import COLLECTIONS, Cluster, WaitTimeout, poll_until
from conformance.api.execute import CommandResult
from conformance.api.pods import Json, is_ready, node_of, state, unschedulable_reason
from conformance.deploy import pod_diagnosis
from conformance.deploy.creation import COMPLETE, CreationResult
from conformance.deploy.pod_monitor import PodMonitor
from conformance.manifests import base
from conformance.manifests.base import Run
from conformance.outcome import CheckFailed, InconclusiveError, Unavailable, require, value_or_skip

SHELL_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class RunHandle:
    """The run on its cluster.

    Pods were made at `begun` (seconds since the epoch), and that is when the patience with them
    began: a broken cluster costs one wait, not one a test.
    """

    cluster: Cluster
    run: Run
    begun: float
    patience: float
    pod_monitor: PodMonitor
    creation: CreationResult = COMPLETE

    def path(self, kind: str, name: str = "") -> str:
        """The API path of the run's objects of a kind (`pods`), or of one of them."""
        return f"/api/v1/namespaces/{self.run.namespace}/{kind}" + (f"/{name}" if name else "")

    def apps(self, kind: str, name: str) -> str:
        """The API path of one of the run's objects in the group `apps`."""
        return f"/apis/apps/v1/namespaces/{self.run.namespace}/{kind}/{name}"

    def at(self, kind: str, name: str = "") -> str:
        """The API path of the run's objects of a kind (`StatefulSet`), or of one of them."""
        collection = COLLECTIONS[kind].format(namespace=self.run.namespace)
        return f"{collection}/{name}" if name else collection

    def pods_of(self, app: str) -> list[Json]:
        """The run's pods of one application, but those that are ending."""
        label = f"{base.APP_LABEL}={app}"
        pods = self.cluster.items(self.path("pods"), labelSelector=label)
        return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def running(self, name: str, likely: str) -> Json:
        """The pod, once its container runs.

        Raises:
            CheckFailed: if it cannot start, or does not in time; the last event says why.
        """
        for node in self.run.nodes:
            require(
                not node.is_silent or name != base.own_pod(node.name),
                at=f"{node.name}: a pod for this node",
                expected="a running pod",
                seen=pod_diagnosis.of_node(node),
                likely="the node is gone or cut off, or its kubelet does not run",
                look=f"kubectl describe node {node.name}",
            )
        return self._pod_until(name, is_ready, is_ready, "a running pod", likely)

    def placed(self, name: str, likely: str) -> Json:
        """The pod, once the scheduler gave it a node.

        Raises:
            CheckFailed: if it gets none in time; the last event says why.
        """

        def has_node(pod: Json) -> bool:
            return bool(node_of(pod))

        return self._pod_until(name, has_node, has_node, "a node for the pod", likely)

    def placed_soon(self, name: str, likely: str) -> Json:
        """The same of a pod that was made a moment ago."""
        soon = replace(self, begun=time.time())
        return soon.placed(name, likely)

    def judged(self, name: str, likely: str) -> Json:
        """The pod, once the scheduler gave it a node or said why it does not.

        Raises:
            CheckFailed: if it does neither in time.
        """

        def settled(pod: Json) -> bool:
            return bool(node_of(pod)) or unschedulable_reason(pod) != ""

        return self._pod_until(name, settled, settled, "the scheduler's word on the pod", likely)

    def require_scheduled(self, name: str, judge: str) -> None:
        """The same for a pod that has to have a node first.

        Raises:
            InconclusiveError: naming that test, and the cause.
        """
        try:
            self.placed(name, "")
        except CheckFailed as broken:
            raise InconclusiveError(
                f"pod {name} has no node (see {judge}): {broken.seen}"
            ) from None

    def require_running(self, name: str, judge: str) -> None:
        """Wait for a pod that another test judges; if it does not run, nothing can be asked here.

        Raises:
            InconclusiveError: naming that test, and the cause.
        """
        try:
            self.running(name, "")
        except CheckFailed as broken:
            raise InconclusiveError(
                f"pod {name} does not run (see {judge}): {broken.seen}"
            ) from None

    def require_made(self, name: str) -> None:
        """The API has taken the object, else nothing can be asked about it.

        Raises:
            InconclusiveError: if it did not; where that is for good, the test is skipped.
        """
        if refusal := self.creation.rejected.get(name):
            value_or_skip(Unavailable(refusal.message, refusal.error().is_lasting))
        for node in self.run.nodes:
            if node.is_silent and name == base.own_pod(node.name):
                raise InconclusiveError(f"{node.name}: {pod_diagnosis.of_node(node)}")

    def unplaced(self, name: str, likely: str) -> str:
        """Why the scheduler keeps the pod waiting.

        Raises:
            CheckFailed: if it was placed, or the scheduler says nothing about it.
        """

        def judged(pod: Json) -> bool:
            return bool(node_of(pod)) or unschedulable_reason(pod) != ""

        pod = self._pod_until(
            name, judged, lambda pod: not node_of(pod) and unschedulable_reason(pod) != "",
            "a pod that stays Pending, with the scheduler's reason", likely,
        )  # fmt: skip
        return unschedulable_reason(pod)

    def shell(self, pod: str, script: str) -> CommandResult:
        """Run a line of shell in a pod of the run."""
        return self.cluster.execute(self.run.namespace, pod, ["sh", "-c", script], SHELL_SECONDS)

    def net_probes(self) -> dict[str, str]:
        """The pod-network probe of each node, by node."""
        return self._probes(base.NET_PROBE)

    def host_probes(self) -> dict[str, str]:
        """The probe on each node itself, by node; a skip where the cluster allows none."""
        if not (found := self._probes(base.HOST_PROBE)):
            for node in self.run.nodes:
                self.require_made(base.probe(base.HOST_PROBE, node.name))
        return found

    def _probes(self, app: str) -> dict[str, str]:
        label = f"{base.APP_LABEL}={app}"
        pods = self.cluster.items(self.path("pods"), labelSelector=label)
        return {node_of(pod): str(pod["metadata"]["name"]) for pod in pods if is_ready(pod)}

    @contextmanager
    def plain_namespace(self) -> Iterator[None]:
        """A fresh namespace without labels, with an account; the run's end sees it gone."""
        self.cluster.create(base.plain_namespace(self.run))
        try:
            self.cluster.create(base.account(self.run, self.run.plain_namespace))
            yield
        finally:
            self.cluster.delete(f"/api/v1/namespaces/{self.run.plain_namespace}")

    def without(self, leader: str) -> str:
        """Why a part of the control plane does nothing; '' if it acts, or nobody knows."""
        return self.pod_monitor.without(leader)

    def left(self) -> float:
        """The seconds of patience that are left for the pods made at the beginning."""
        return max(self.begun + self.patience - time.time(), 2.0)

    def _pod_until(
        self,
        name: str,
        settled: Callable[[Json], bool],
        good: Callable[[Json], bool],
        expected: str,
        likely: str,
    ) -> Json:
        self.require_made(name)
        causes: list[str] = []

        def ended(pod: Json) -> bool:
            if settled(pod):
                return True
            causes.extend(filter(None, [self.pod_monitor.cause(pod)]))
            return bool(causes)

        try:
            pod = poll_until(lambda: self.cluster.get(self.path("pods", name)), ended, self.left())
        except WaitTimeout as late:
            pod = late.last
        if not good(pod):
            raise CheckFailed(
                at=f"pod {name} in namespace {self.run.namespace}",
                expected=expected,
                seen=self._story(pod),
                likely=causes[0] if causes else likely,
                look=f"kubectl describe pod -n {self.run.namespace} {name} (while it is there)",
            )
        return dict(pod)

    def _story(self, pod: Json) -> str:
        events = sorted(self.pod_monitor.events(pod["metadata"]["name"]), key=pod_diagnosis.moment)
        where = f"on {node_of(pod)}" if node_of(pod) else "on no node"
        last = (
            f"{events[-1]['reason']}: {events[-1]['message']}" if events else "no event tells why"
        )
        return f"{state(pod)}, {where}; {last}"


def require_on_node(pod: Json, node: str, because: str) -> None:
    """The scheduler put the pod on that node, as it had to."""
    require(
        node_of(pod) == node,
        at=f"pod {pod['metadata']['name']}",
        expected=f"on {node}, {because}",
        seen=f"on {node_of(pod)}",
        likely="the scheduler does not honour the pod's constraints, or another scheduler runs",
        look="kubectl get leases -n kube-system kube-scheduler -o yaml; its log",
    )
