# SPDX-License-Identifier: Apache-2.0
"""What dead runs left behind: found, and removed.

A living run renews the Lease in its namespace. A namespace is left over when its holder's process
on this machine is gone, or when the lease has not been renewed in time; a run on another machine
that is still alive is never touched.
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
    """A process: host, boot (and process namespace), id, start time; together they never recur."""

    host: str
    boot: str
    process: int
    started: str

    def __str__(self) -> str:
        return f"{self.host} {self.boot} {self.process} {self.started}"

    def is_here(self, identity: str) -> bool:
        """Was this identity given by a process of this same boot of this machine?"""
        return identity.split(" ")[:2] == [self.host, self.boot]


def this_process() -> Holder:
    """The identity of the running process."""
    boot = _read("/proc/sys/kernel/random/boot_id") or "unknown"
    with contextlib.suppress(OSError):  # not every client is a Linux
        boot += f"/{Path('/proc/self/ns/pid').readlink()}"
    return Holder(socket.gethostname(), boot, os.getpid(), started(os.getpid()))


def started(process: int) -> str:
    """When a process of this machine started, in ticks; '' if there is no such process."""
    stat = _read(f"/proc/{process}/stat")
    return stat.rsplit(")", 1)[-1].split()[19] if stat else ""


def is_left_over(
    namespace: dict[str, Any], lease: dict[str, Any] | None, now: datetime, me: Holder
) -> str:
    """Why the namespace belongs to a dead run, or '' if it may be in use.

    Args:
        namespace: the API object.
        lease: the Lease in it, `None` if it has none (yet).
        now: by the API server's clock.
        me: the asking process.
    """
    if namespace["metadata"].get("deletionTimestamp"):
        return ""  # someone is at it already
    spec = (lease or {}).get("spec", {})
    identity = spec.get("holderIdentity", "")
    if me.is_here(identity):
        process, start = identity.split(" ")[2:4]
        if started(int(process)) != start:
            return f"process {process} of this machine, which made it, is gone"
        return ""
    seen = spec.get("renewTime") or namespace["metadata"]["creationTimestamp"]
    idle = now - datetime.fromisoformat(seen)
    if idle > timedelta(seconds=LEASE_SECONDS):
        return f"its run was last seen {idle.total_seconds():.0f} s ago"
    return ""


def clean_up(cluster: Cluster, me: Holder) -> dict[str, str]:
    """Start removing what dead runs left; the namespaces, each with the reason.

    What they made outside of them goes at once. It is listed first: a run that begins meanwhile
    makes its namespace before anything else, so it is seen alive.
    """
    strewn = set(cluster_scoped.found(cluster))
    swept, alive = {}, set()
    for namespace in cluster.items("/api/v1/namespaces", labelSelector=RUN_LABEL):
        name = namespace["metadata"]["name"]
        reason = is_left_over(namespace, _lease(cluster, name), cluster.now(), me)
        if reason:
            cluster.delete(f"/api/v1/namespaces/{name}")
            swept[name] = reason
        elif not namespace["metadata"].get("deletionTimestamp"):
            alive.add(namespace["metadata"]["labels"][RUN_LABEL])
    if strewn - alive:
        cluster_scoped.remove(cluster, strewn - alive)
    return swept


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
