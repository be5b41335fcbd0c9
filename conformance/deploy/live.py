# SPDX-License-Identifier: Apache-2.0
"""Access of active checks to the cluster: the run's pods, their state, and a shell in them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from conformance.api.client import COLLECTIONS, Cluster, WaitTimeout, poll_until
from conformance.api.execute import CommandResult
from conformance.api.pods import Json, is_ready, node_of, state, unschedulable_reason
from conformance.codes import Code
from conformance.deploy import pod_diagnosis
from conformance.deploy.creation import COMPLETE, CreationResult
from conformance.deploy.pod_monitor import PodMonitor
from conformance.manifests import base
from conformance.manifests.base import Run
from conformance.outcome import CheckFailed, InconclusiveError, Unavailable, require, value_or_skip

SHELL_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class RunHandle:
    """The run on its cluster."""

    cluster: Cluster
    run: Run
    begun: float
    """When the pods were created, in seconds since the epoch."""
    patience: float
    """Seconds since ``begun`` after which waits end: all checks share one timeout."""
    pod_monitor: PodMonitor
    creation: CreationResult = COMPLETE

    def path(self, kind: str, name: str = "") -> str:
        """Return the API path of the run's objects of a resource (``pods``), or of one."""
        return f"/api/v1/namespaces/{self.run.namespace}/{kind}" + (f"/{name}" if name else "")

    def apps(self, kind: str, name: str) -> str:
        """Return the API path of one of the run's objects in the group ``apps``."""
        return f"/apis/apps/v1/namespaces/{self.run.namespace}/{kind}/{name}"

    def at(self, kind: str, name: str = "") -> str:
        """Return the API path of the run's objects of a kind (``StatefulSet``), or of one."""
        collection = COLLECTIONS[kind].format(namespace=self.run.namespace)
        return f"{collection}/{name}" if name else collection

    def pods_of(self, app: str) -> list[Json]:
        """Return the run's pods of one application, except those that are being deleted."""
        label = f"{base.APP_LABEL}={app}"
        pods = self.cluster.items(self.path("pods"), labelSelector=label)
        return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def running(self, name: str, likely: str) -> Json:
        """Wait until the pod is ready, and return it.

        Raises:
            CheckFailed: the pod cannot start, or was not ready in time.
        """
        for node in self.run.nodes:
            require(
                not node.is_silent or name != base.own_pod(node.name),
                at=f"{node.name}: a pod for this node",
                expected="a running pod",
                seen=pod_diagnosis.of_node(node),
                likely="the node is down or has no network, or its kubelet does not run",
                look=f"kubectl describe node {node.name}",
                code=Code.POD_NODE_UNRESPONSIVE,
            )
        return self._pod_until(name, is_ready, "a running pod", likely, Code.POD_NOT_RUNNING)

    def placed(self, name: str, likely: str) -> Json:
        """Wait until the pod is scheduled, and return it.

        Raises:
            CheckFailed: the pod was not scheduled in time.
        """

        def has_node(pod: Json) -> bool:
            return bool(node_of(pod))

        return self._pod_until(name, has_node, "a node for the pod", likely, Code.POD_NOT_SCHEDULED)

    def placed_soon(self, name: str, likely: str) -> Json:
        """Wait for a pod that has just been created, with the full patience."""
        soon = replace(self, begun=time.time())
        return soon.placed(name, likely)

    def decided(self, name: str, likely: str) -> Json:
        """Wait until the scheduler has placed or rejected the pod, and return it.

        Raises:
            CheckFailed: it did neither in time.
        """
        return self._until_decided(name, "a node or a reason from the scheduler", likely)

    def require_scheduled(self, name: str, check: str) -> None:
        """Require that a pod is scheduled, which another check verifies.

        Raises:
            InconclusiveError: it is not; the message names that check and the cause.
        """
        try:
            self.placed(name, "")
        except CheckFailed as failure:
            raise InconclusiveError(
                f"pod {name} is not scheduled (see {check}): {failure.seen}"
            ) from None

    def require_running(self, name: str, check: str) -> None:
        """Require that a pod is ready, which another check verifies.

        Raises:
            InconclusiveError: it is not; the message names that check and the cause.
        """
        try:
            self.running(name, "")
        except CheckFailed as failure:
            raise InconclusiveError(
                f"pod {name} does not run (see {check}): {failure.seen}"
            ) from None

    def require_made(self, name: str) -> None:
        """Require that the API accepted the object; skip the check if it rejected it permanently.

        Raises:
            InconclusiveError: the object does not exist.
        """
        if refusal := self.creation.rejected.get(name):
            value_or_skip(Unavailable(refusal.message, refusal.error().is_permanent))
        for node in self.run.nodes:
            if node.is_silent and name == base.own_pod(node.name):
                raise InconclusiveError(f"{node.name}: {pod_diagnosis.of_node(node)}")

    def unplaced(self, name: str, likely: str) -> str:
        """Return the scheduler's reason for a pod that must remain Pending.

        Raises:
            CheckFailed: the pod was scheduled, or the scheduler gave no reason in time.
        """
        expected = "a pod that stays Pending, with the scheduler's reason"
        pod = self._until_decided(name, expected, likely)
        if node_of(pod):
            raise self._failure(pod, expected, likely, Code.POD_SCHEDULED_UNEXPECTEDLY)
        return unschedulable_reason(pod)

    def shell(self, pod: str, script: str) -> CommandResult:
        """Run a shell command in a pod of the run."""
        return self.cluster.execute(self.run.namespace, pod, ["sh", "-c", script], SHELL_SECONDS)

    def net_probes(self) -> dict[str, str]:
        """Return the running pod-network probes by node."""
        return self._probes(base.NET_PROBE)

    def host_probes(self) -> dict[str, str]:
        """Return the running host probes by node; skip the check if the API rejects them."""
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
        """Create a namespace without labels, with a service account; delete it afterwards."""
        self.cluster.create(base.plain_namespace(self.run))
        try:
            self.cluster.create(base.account(self.run, self.run.plain_namespace))
            yield
        finally:
            self.cluster.delete(f"/api/v1/namespaces/{self.run.plain_namespace}")

    def why_inactive(self, component: str) -> str:
        """Return why a component of the control plane is inactive; empty if active or unknown."""
        return self.pod_monitor.why_inactive(component)

    def left(self) -> float:
        """Return the seconds until waits for the pods of the run end."""
        return max(self.begun + self.patience - time.time(), 2.0)

    def _until_decided(self, name: str, expected: str, likely: str) -> Json:
        def is_decided(pod: Json) -> bool:
            return bool(node_of(pod)) or unschedulable_reason(pod) != ""

        return self._pod_until(name, is_decided, expected, likely, Code.POD_NOT_EVALUATED)

    def _pod_until(
        self, name: str, done: Callable[[Json], bool], expected: str, likely: str, code: Code
    ) -> Json:
        self.require_made(name)
        causes: list[str] = []

        def ended(pod: Json) -> bool:
            if done(pod):
                return True
            causes.extend(filter(None, [self.pod_monitor.cause(pod)]))
            return bool(causes)

        try:
            pod = poll_until(lambda: self.cluster.get(self.path("pods", name)), ended, self.left())
        except WaitTimeout as late:
            pod = late.last
        if not done(pod):
            raise self._failure(pod, expected, causes[0] if causes else likely, code)
        return dict(pod)

    def _failure(self, pod: Json, expected: str, likely: str, code: Code) -> CheckFailed:
        name = pod["metadata"]["name"]
        return CheckFailed(
            at=f"pod {name} in namespace {self.run.namespace}",
            expected=expected,
            seen=self._state_and_last_event(pod),
            likely=likely,
            look=f"kubectl describe pod -n {self.run.namespace} {name} (before the run ends)",
            code=code,
        )

    def _state_and_last_event(self, pod: Json) -> str:
        name = pod["metadata"]["name"]
        events = sorted(self.pod_monitor.events(name), key=pod_diagnosis.last_seen)
        where = f"on {node_of(pod)}" if node_of(pod) else "on no node"
        last = f"{events[-1]['reason']}: {events[-1]['message']}" if events else "no events"
        return f"{state(pod)}, {where}; {last}"


def require_on_node(pod: Json, node: str, because: str) -> None:
    """Require that the scheduler placed the pod on the node."""
    require(
        node_of(pod) == node,
        at=f"pod {pod['metadata']['name']}",
        expected=f"on {node}, {because}",
        seen=f"on {node_of(pod)}",
        likely="the scheduler does not honour the pod's constraints, or another scheduler runs",
        look="kubectl get leases -n kube-system kube-scheduler -o yaml; its log",
        code=Code.POD_ON_WRONG_NODE,
    )
