# SPDX-License-Identifier: Apache-2.0
"""Find and delete objects of runs that were killed.

A running suite renews the Lease in its namespace. A namespace is orphaned if the process that holds
the Lease was on this host and no longer exists, or if the Lease has expired. Runs on other hosts
are not touched while they renew their Lease.
"""

import contextlib
import os
import socket
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from conformance.api.client import ApiStatusError, Cluster
from conformance.manifests import cluster_scoped
from conformance.manifests.base import LEASE, LEASE_SECONDS, RUN_LABEL


@dataclass(frozen=True)
class Holder:
    """Unique identity of a process: host, boot and PID namespace, PID, start time."""

    host: str
    boot: str
    process: int
    started: str

    def __str__(self) -> str:
        return f"{self.host} {self.boot} {self.process} {self.started}"

    def is_here(self, identity: str) -> bool:
        """Return whether the identity is of a process of this host since its last boot."""
        return identity.split(" ")[:2] == [self.host, self.boot]


def this_process() -> Holder:
    """Return the identity of this process."""
    boot = _read("/proc/sys/kernel/random/boot_id") or "unknown"
    with contextlib.suppress(OSError):  # not every client runs Linux
        boot += f"/{Path('/proc/self/ns/pid').readlink()}"
    return Holder(socket.gethostname(), boot, os.getpid(), started(os.getpid()))


def started(process: int) -> str:
    """Return the start time of a process in clock ticks; empty if it does not exist."""
    stat = _read(f"/proc/{process}/stat")
    return stat.rsplit(")", 1)[-1].split()[19] if stat else ""


def is_left_over(
    namespace: dict[str, Any], lease: dict[str, Any] | None, now: datetime, me: Holder
) -> str:
    """Return why the namespace belongs to a run that was killed; empty if it may be in use.

    Args:
        namespace: the API object.
        lease: the Lease in it; ``None`` if it does not exist (yet).
        now: by the API server's clock.
        me: this process.
    """
    if namespace["metadata"].get("deletionTimestamp"):
        return ""
    spec = (lease or {}).get("spec", {})
    identity = spec.get("holderIdentity", "")
    if me.is_here(identity):
        process, start = identity.split(" ")[2:4]
        if started(int(process)) != start:
            return f"process {process} of this host, which created it, no longer exists"
        return ""
    seen = spec.get("renewTime") or namespace["metadata"]["creationTimestamp"]
    idle = now - datetime.fromisoformat(seen)
    if idle > timedelta(seconds=LEASE_SECONDS):
        return f"its run renewed the lease {idle.total_seconds():.0f} s ago"
    return ""


def clean_up(cluster: Cluster, me: Holder) -> dict[str, str]:
    """Start deleting what killed runs left; return their namespaces, each with the reason.

    Cluster-scoped objects are listed before namespaces: a run that starts meanwhile creates its
    namespace first, so its objects are never taken for orphans.
    """
    owners = set(cluster_scoped.found(cluster))
    deleted, active = {}, set()
    for namespace in cluster.items("/api/v1/namespaces", labelSelector=RUN_LABEL):
        name = namespace["metadata"]["name"]
        reason = is_left_over(namespace, _lease(cluster, name), cluster.now(), me)
        if reason:
            cluster.delete(f"/api/v1/namespaces/{name}")
            deleted[name] = reason
        elif not namespace["metadata"].get("deletionTimestamp"):
            active.add(namespace["metadata"]["labels"][RUN_LABEL])
    if owners - active:
        cluster_scoped.remove(cluster, owners - active)
    return deleted


def _lease(cluster: Cluster, namespace: str) -> dict[str, Any] | None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}"
    try:
        return dict(cluster.get(path))
    except ApiStatusError as refusal:
        if refusal.code != 404:
            raise
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
