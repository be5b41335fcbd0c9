# SPDX-License-Identifier: Apache-2.0
"""The life of a run: sweep, make the scene, stay alive, and leave nothing behind.

Only the controlling process runs this; the workers of a parallel session are told the `Run`.
"""

import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from conformance import outside, roster, scenes, stage
from conformance.cluster import Cluster, RefusedError, TooLateError, until
from conformance.stage import Run
from conformance.sweep import sweep, this_process
from conformance.verdict import CouldNotAskError

RENEW_SECONDS = stage.LEASE_SECONDS / 6
AT_ONCE = 8  # API calls side by side


@dataclass
class Life:
    """A run on its cluster, from `begin` to `end`."""

    cluster: Cluster
    run: Run
    swept: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Sweep what dead runs left, then make everything the tests look at.

        Raises:
            CouldNotAskError: if the API refuses; what was made until then is removed by `end`.
        """
        begun = time.monotonic()
        me = this_process()
        self.swept = sweep(self.cluster, me)
        self.cluster.create(stage.namespace(self.run))
        self.cluster.create(stage.lease(self.run, str(me), self._clock()))
        threading.Thread(target=self._stay_alive, daemon=True).start()
        outside.make(self.cluster, self.run)  # what is refused, its tests say
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for manifests in (stage.base(self.run), scenes.everything(self.run)):
                list(pool.map(self.cluster.create, manifests))
        self.seconds["making the scene"] = time.monotonic() - begun

    def end(self, patience: float) -> list[str]:
        """Remove the run's namespace, and wait until it and the swept ones are gone.

        Returns:
            What is still there after `patience` seconds, each with the API's reason; empty is good.
        """
        self._over.set()
        begun = time.monotonic()
        deadline = begun + patience
        namespace = f"/api/v1/namespaces/{self.run.namespace}"
        try:
            outside.remove(self.cluster, [self.run.id])
            self.cluster.delete(namespace)
            self.cluster.delete(f"/api/v1/namespaces/{self.run.plain_namespace}")
            # The namespace's controller begins only after five seconds: let pods end until then.
            self.cluster.delete(f"{namespace}/pods")
        except CouldNotAskError as problem:
            return [f"what the run made could not be removed: {problem}"]
        names = [self.run.namespace, self.run.plain_namespace, *self.swept]
        left = [self._remains(name, deadline - time.monotonic()) for name in names]
        left += outside.remains(self.cluster, self.run.id)
        self.seconds["removing it"] = time.monotonic() - begun
        return [remains for remains in left if remains]

    def _remains(self, name: str, patience: float) -> str:
        try:
            until(lambda: self._why_there(name), lambda why: not why, max(patience, 1))
        except TooLateError as late:
            return f"namespace {name} is still there: {late.last}"
        except CouldNotAskError as problem:
            return f"namespace {name} may still be there: {problem}"
        return ""

    def _why_there(self, name: str) -> str:
        """Why the namespace still exists, '' if it does not."""
        try:
            status = self.cluster.get(f"/api/v1/namespaces/{name}")["status"]
        except RefusedError as refusal:
            if refusal.code == 404:
                return ""
            raise
        reasons = [c["message"] for c in status.get("conditions", []) if c["status"] == "True"]
        return "; ".join(reasons) or str(status.get("phase", ""))

    def _stay_alive(self) -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.run.namespace}/leases/{stage.LEASE}"
        while not self._over.wait(RENEW_SECONDS):
            try:
                self.cluster.patch(path, {"spec": {"renewTime": self._clock()}})
            except CouldNotAskError:
                continue  # the next beat tries again; a run is given up after six

    def _clock(self) -> str:
        return self.cluster.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def plan(cluster: Cluster, image: str) -> Run:
    """A new run over the nodes that are there now.

    Raises:
        CouldNotAskError: if there are none, or the API does not tell.
    """
    nodes = roster.nodes(cluster)
    if not nodes:
        raise CouldNotAskError("the cluster has no nodes\n  next  kubectl get nodes")
    return Run(secrets.token_hex(4), image, nodes)
