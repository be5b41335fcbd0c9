# SPDX-License-Identifier: Apache-2.0
"""Edge: a lock in the cluster, so that only one command at a time removes or replaces its nodes.

Heat itself accepts an update while another one is in progress, and abandons the first one. The lock
is a Lease of Kubernetes. It expires if the command is killed.
"""

import getpass
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from heatgen.kube.client import Api, Object
from heatgen.kube.errors import KubernetesFailed, Refused
from heatgen.yamlio.codes import Code

NAME = "heatgen-operation"
COLLECTION = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
SECONDS = 60
"""Seconds after which the lock of a killed command expires."""
RENEW = 10.0


@contextmanager
def exclusive(api: Api, command: str) -> Iterator[None]:
    """Hold the lock during an operation.

    Args:
        api: the API.
        command: the command, which others report.

    Raises:
        KubernetesFailed: another command holds the lock.
    """
    holder = f"{command} by {_user()} on {socket.gethostname()}, process {os.getpid()}"
    _acquire(api, holder)
    ended = threading.Event()
    renewal = threading.Thread(target=_renew, args=(api, ended), daemon=True)
    renewal.start()
    try:
        yield
    finally:
        ended.set()
        renewal.join(RENEW)
        _release(api, holder)


def write(api: Api) -> None:
    """Change the lock that this process holds: etcd accepts this only with a majority.

    Raises:
        KubernetesFailed: etcd or the API does not accept changes.
    """
    renewed = _lease(api, "")["spec"]["renewTime"]
    api.patch(f"{COLLECTION}/{NAME}", {"spec": {"renewTime": renewed}})


def _acquire(api: Api, holder: str) -> None:
    body = _lease(api, holder)
    try:
        api.request("POST", COLLECTION, body)
        return
    except Refused as refused:
        if refused.status != 409:
            raise
    found = api.get(f"{COLLECTION}/{NAME}")
    spec = found.get("spec") or {}
    if spec.get("holderIdentity") == holder:
        # A repeated request: the response to the first one was lost.
        return
    if not _expired(api, spec):
        raise _busy(str(spec.get("holderIdentity")))
    body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
    try:
        api.request("PUT", f"{COLLECTION}/{NAME}", body)
    except Refused as refused:
        if refused.status in (404, 409):
            raise _busy("another command") from None
        raise


def _busy(holder: str) -> KubernetesFailed:
    message = f"another operation on this cluster is in progress: {holder}"
    hint = f"wait for its end; if it was killed, its lock expires after {SECONDS} s"
    return KubernetesFailed(message, hint, code=Code.OPERATION_IN_PROGRESS)


def _expired(api: Api, spec: Object) -> bool:
    renewed = spec.get("renewTime")
    if not renewed or not spec.get("holderIdentity"):
        return True
    last = datetime.fromisoformat(str(renewed))
    return api.now() > last + timedelta(seconds=int(spec.get("leaseDurationSeconds") or SECONDS))


def _lease(api: Api, holder: str) -> Object:
    # The API accepts only times with microseconds.
    now = api.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": NAME, "namespace": "kube-system"},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": SECONDS,
            "acquireTime": now,
            "renewTime": now,
        },
    }


def _renew(api: Api, ended: threading.Event) -> None:
    while not ended.wait(RENEW):
        try:
            write(api)
        except KubernetesFailed:
            # The API may be away while a control-plane node is replaced.
            continue


def _release(api: Api, holder: str) -> None:
    """Delete the lock, unless another command has taken it over."""
    path = f"{COLLECTION}/{NAME}"
    try:
        found = api.get(path)
        if found["spec"].get("holderIdentity") == holder:
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            api.request("DELETE", path, {"preconditions": version})
    except KubernetesFailed:
        # It expires.
        return


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # The user has no entry in the password database, as in containers.
        return str(os.getuid())
