# SPDX-License-Identifier: Apache-2.0
"""The life of a run: sweep, make the scene, stay alive, and leave nothing behind.

Only the controlling process runs this; the workers of a parallel session are told the `Run`.
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
AT_ONCE = 8  # API calls side by side
ORPHAN_SECONDS = 8.0  # after which pods on silent nodes are given up
HASTE_SECONDS = 5.0  # for an answer to the first calls: a broken API is told soon
# Creates what the checks look at: one module a topic, each with a function `manifests`.
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
    """A run on its cluster, from `begin` to `end`."""

    cluster: Cluster
    run: Run
    creation: CreationResult = COMPLETE
    swept: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Sweep what dead runs left, then make everything the tests look at.

        If one object of the scene is refused, the rest is made; `creation` tells. If the API cannot
        even store the first ones, although it would, nothing is made; that is told, too.

        Raises:
            ApiStatusError: if this user, or any, may not have them; `end` removes what was made.
        """
        begun = time.monotonic()
        me = this_process()
        self.cluster.answer_seconds = HASTE_SECONDS
        try:
            self.swept = clean_up(self.cluster, me)
            self.cluster.create(base.namespace(self.run))
            self.cluster.create(base.lease(self.run, str(me), self._clock()))
            self._make_base()
            cluster_scoped.make(self.cluster, self.run)  # what is refused, its tests say
        except ApiStatusError as refusal:
            if refusal.is_lasting:
                raise
            self.creation = CreationResult(broken=f"nothing can be made in this cluster: {refusal}")
        except InconclusiveError as problem:
            self.creation = CreationResult(broken=f"nothing can be made in this cluster: {problem}")
        else:
            self.cluster.answer_seconds = ANSWER_SECONDS
            threading.Thread(target=self._stay_alive, daemon=True).start()
            self.creation = CreationResult(self._make_scene())
        self.seconds["making the scene"] = time.monotonic() - begun

    def _make_base(self) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            first = base.first_manifests(self.run, core_resources.authority(self.cluster))
            list(pool.map(self.cluster.create, first))

    def _make_scene(self) -> dict[str, Rejection]:
        """Make what the tests look at; what the API refuses, by name."""

        def make(manifest: Manifest) -> tuple[str, Rejection | None]:
            name = str(manifest["metadata"]["name"])
            try:
                self.cluster.create(manifest)
            except ApiStatusError as refusal:
                return name, Rejection(refusal.code, str(refusal))
            except InconclusiveError as problem:
                return name, Rejection(0, str(problem))
            return name, None

        with ThreadPoolExecutor(AT_ONCE) as pool:
            told = list(pool.map(make, all_manifests(self.run)))
        return {name: refusal for name, refusal in told if refusal}

    def end(self, patience: float) -> list[str]:
        """Remove the run's namespace, and wait until it and the swept ones are gone.

        Returns:
            What is still there after `patience` seconds, each with the API's reason; empty is good.
        """
        self._over.set()
        begun = time.monotonic()
        self.cluster.answer_seconds = HASTE_SECONDS if self.creation.broken else ANSWER_SECONDS
        namespace = f"/api/v1/namespaces/{self.run.namespace}"
        try:
            poll_until(lambda: self._delete_all(namespace), bool, patience / 2)
        except (InconclusiveError, WaitTimeout) as problem:
            return [f"what the run made could not be removed: {problem}"]
        with contextlib.suppress(InconclusiveError):  # it only saves time
            # The namespace's controller begins only after five seconds: let pods end until then.
            self.cluster.delete(f"{namespace}/pods")
        gone = pod_monitor.missing(pod_monitor.CONTROLLERS, self._leaders())
        deadline = begun + (min(patience, HASTE_SECONDS) if gone else patience)
        names = [self.run.namespace, self.run.plain_namespace, *self.swept]
        left = [self._remains(name, deadline - time.monotonic()) for name in names]
        left += cluster_scoped.remains(self.cluster, self.run.id)
        self.seconds["removing it"] = time.monotonic() - begun
        because = f" ({gone}; with it, it goes)" if gone else ""
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

        def why_there() -> str:
            if time.monotonic() - begun > ORPHAN_SECONDS:
                self._forget_orphans(name)
            return self._why_there(name)

        try:
            poll_until(why_there, lambda why: not why, max(patience, 1))
        except WaitTimeout as late:
            return f"namespace {name} is still there: {late.last}"
        except InconclusiveError as problem:
            return f"namespace {name} may still be there: {problem}"
        return ""

    def _why_there(self, name: str) -> str:
        """Why the namespace still exists, '' if it does not."""
        try:
            status = self.cluster.get(f"/api/v1/namespaces/{name}")["status"]
        except ApiStatusError as refusal:
            if refusal.code == 404:
                return ""
            raise
        reasons = [c["message"] for c in status.get("conditions", []) if c["status"] == "True"]
        return "; ".join(reasons) or str(status.get("phase", ""))

    def _forget_orphans(self, namespace: str) -> None:
        """Pods on a node whose kubelet is silent would stay until it comes back."""
        try:
            silent = {
                name
                for name, silence in core_resources.silences(self.cluster).items()
                if silence > pod_diagnosis.SILENT
            }
            path = f"/api/v1/namespaces/{namespace}/pods"
            for pod in self.cluster.items(path) if silent else []:
                if node_of(pod) in silent:
                    self.cluster.delete(f"{path}/{pod['metadata']['name']}", at_once=True)
        except InconclusiveError:
            return  # it is tried again, and what remains is told

    def _stay_alive(self) -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.run.namespace}/leases/{base.LEASE}"
        while not self._over.wait(RENEW_SECONDS):
            try:
                self.cluster.patch(path, {"spec": {"renewTime": self._clock()}})
            except InconclusiveError:
                continue  # the next beat tries again; a run is given up after six

    def _clock(self) -> str:
        return self.cluster.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plan(found: Preflight, image: str, quick: bool = False) -> Run:
    """A new run over what the preflight found."""
    return Run(
        id=secrets.token_hex(4),
        image=image,
        nodes=found.nodes,
        api_servers=found.api_servers,
        quick=quick,
    )


def all_manifests(run: Run) -> list[Manifest]:
    """Return all of them, to be created at once."""
    return [manifest for make in MANIFESTS for manifest in make(run)]
