# SPDX-License-Identifier: Apache-2.0
"""Lifecycle of a run: clean up, create the objects, renew the Lease, delete everything.

Only the controller process uses this; pytest-xdist workers receive the ``Run``.
"""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from conformance.api import core_resources
from conformance.api.client import ANSWER_SECONDS, ApiStatusError, Cluster, WaitTimeout, poll_until
from conformance.api.pods import node_of
from conformance.deploy import pod_diagnosis, pod_monitor
from conformance.deploy.cleanup import clean_up, this_process
from conformance.deploy.creation import COMPLETE, CreationResult, Rejection
from conformance.deploy.preflight import Preflight
from conformance.facts.model import Leader
from conformance.manifests import (
    base,
    cluster_scoped,
    image_pulls,
    rbac,
    scheduling,
    services,
    workloads,
)
from conformance.manifests.base import Manifest, Run
from conformance.outcome import InconclusiveError

RENEW_SECONDS = base.LEASE_SECONDS / 6
AT_ONCE = 8  # concurrent API requests
ORPHAN_SECONDS = 8.0  # after which pods on unresponsive nodes are force-deleted
HASTE_SECONDS = 5.0  # timeout of the first requests, so that a broken API is reported early
# Objects that the checks use: one function for each topic.
MANIFESTS: list[Callable[[Run], list[Manifest]]] = [
    base.manifests,
    services.manifests,
    scheduling.manifests,
    workloads.manifests,
    rbac.manifests,
    image_pulls.manifests,
]


@dataclass(kw_only=True)
class RunLifecycle:
    """A run on its cluster."""

    cluster: Cluster
    run: Run
    creation: CreationResult = COMPLETE
    swept: dict[str, str] = field(default_factory=dict)
    """Namespaces of killed runs that were deleted, each with the reason."""
    seconds: dict[str, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Clean up after killed runs, then create the objects of this one.

        ``creation`` contains the objects that the API rejected, or why it could not store any.

        Raises:
            ApiStatusError: the API rejects objects that all checks need. Call ``end`` to delete
                those that were created.
        """
        begun = time.monotonic()
        me = this_process()
        self.cluster.answer_seconds = HASTE_SECONDS
        try:
            self.swept = clean_up(self.cluster, me)
            self.cluster.create(base.namespace(self.run))
            self.cluster.create(base.lease(self.run, str(me), self._clock()))
            self._create_base()
            cluster_scoped.make(self.cluster, self.run)  # rejections are reported by the checks
        except ApiStatusError as refusal:
            if refusal.is_permanent:
                raise
            self.creation = CreationResult(broken=f"the API cannot create objects: {refusal}")
        except InconclusiveError as problem:
            self.creation = CreationResult(broken=f"the API cannot create objects: {problem}")
        else:
            self.cluster.answer_seconds = ANSWER_SECONDS
            threading.Thread(target=self._renew_lease, daemon=True).start()
            self.creation = CreationResult(self._create_objects())
        self.seconds["creating objects"] = time.monotonic() - begun

    def _create_base(self) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            first = base.first_manifests(self.run, core_resources.authority(self.cluster))
            list(pool.map(self.cluster.create, first))

    def _create_objects(self) -> dict[str, Rejection]:
        """Create the objects of the checks; return those that the API rejected, by name."""

        def create(manifest: Manifest) -> tuple[str, Rejection | None]:
            name = str(manifest["metadata"]["name"])
            try:
                self.cluster.create(manifest)
            except ApiStatusError as refusal:
                return name, Rejection(refusal.code, str(refusal))
            except InconclusiveError as problem:
                return name, Rejection(0, str(problem))
            return name, None

        with ThreadPoolExecutor(AT_ONCE) as pool:
            results = list(pool.map(create, all_manifests(self.run)))
        return {name: rejection for name, rejection in results if rejection}

    def end(self, patience: float) -> list[str]:
        """Delete the run's namespaces; wait until they and those of killed runs are deleted.

        Returns:
            What still exists after ``patience`` seconds, each with the API's reason.
        """
        self._over.set()
        begun = time.monotonic()
        self.cluster.answer_seconds = HASTE_SECONDS if self.creation.broken else ANSWER_SECONDS
        namespace = f"/api/v1/namespaces/{self.run.namespace}"
        try:
            poll_until(lambda: self._delete_all(namespace), bool, patience / 2)
        except (InconclusiveError, WaitTimeout) as problem:
            return [f"the run's objects cannot be deleted: {problem}"]
        with contextlib.suppress(InconclusiveError):
            # Saves time: the namespace controller starts only after five seconds.
            self.cluster.delete(f"{namespace}/pods")
        inactive = pod_monitor.inactive_reason(pod_monitor.CONTROLLERS, self._leaders())
        deadline = begun + (min(patience, HASTE_SECONDS) if inactive else patience)
        names = [self.run.namespace, self.run.plain_namespace, *self.swept]
        left = [self._remains(name, deadline - time.monotonic()) for name in names]
        left += cluster_scoped.remains(self.cluster, self.run.id)
        self.seconds["deleting objects"] = time.monotonic() - begun
        because = f" ({inactive}; it is deleted when that is active again)" if inactive else ""
        return [remains + because for remains in left if remains]

    def _delete_all(self, namespace: str) -> bool:
        cluster_scoped.remove(self.cluster, [self.run.id])
        self.cluster.delete(namespace)
        self.cluster.delete(f"/api/v1/namespaces/{self.run.plain_namespace}")
        return True

    def _leaders(self) -> dict[str, Leader]:
        try:
            return core_resources.leaders(self.cluster)
        except InconclusiveError:
            return {}

    def _remains(self, name: str, patience: float) -> str:
        begun = time.monotonic()

        def reason() -> str:
            if time.monotonic() - begun > ORPHAN_SECONDS:
                self._delete_orphans(name)
            return self._why_terminating(name)

        try:
            poll_until(reason, lambda why: not why, max(patience, 1))
        except WaitTimeout as late:
            return f"namespace {name} still exists: {late.last}"
        except InconclusiveError as problem:
            return f"namespace {name} may still exist: {problem}"
        return ""

    def _why_terminating(self, name: str) -> str:
        """Return why the namespace still exists; empty if it does not."""
        try:
            status = self.cluster.get(f"/api/v1/namespaces/{name}")["status"]
        except ApiStatusError as refusal:
            if refusal.code == 404:
                return ""
            raise
        reasons = [c["message"] for c in status.get("conditions", []) if c["status"] == "True"]
        return "; ".join(reasons) or str(status.get("phase", ""))

    def _delete_orphans(self, namespace: str) -> None:
        """Force-delete pods on nodes whose kubelet does not respond; it would have to confirm."""
        try:
            silent = {
                name
                for name, age in core_resources.lease_ages(self.cluster).items()
                if age > pod_diagnosis.SILENT
            }
            path = f"/api/v1/namespaces/{namespace}/pods"
            for pod in self.cluster.items(path) if silent else []:
                if node_of(pod) in silent:
                    self.cluster.delete(f"{path}/{pod['metadata']['name']}", at_once=True)
        except InconclusiveError:
            return  # the caller retries, and reports what remains

    def _renew_lease(self) -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.run.namespace}/leases/{base.LEASE}"
        while not self._over.wait(RENEW_SECONDS):
            try:
                self.cluster.patch(path, {"spec": {"renewTime": self._clock()}})
            except InconclusiveError:
                continue  # retried; the Lease expires after six periods

    def _clock(self) -> str:
        return self.cluster.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plan(found: Preflight, image: str, quick: bool = False) -> Run:
    """Return a new run on the nodes that the preflight found."""
    return Run(
        id=secrets.token_hex(4),
        image=image,
        nodes=found.nodes,
        api_servers=found.api_servers,
        quick=quick,
    )


def all_manifests(run: Run) -> list[Manifest]:
    """Return the manifests of all topics."""
    return [manifest for manifests in MANIFESTS for manifest in manifests(run)]
