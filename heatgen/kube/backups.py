# SPDX-License-Identifier: Apache-2.0
"""Edge: reads the state of backups from the nodes of a cluster, and requests backups.

Both use annotations of Node objects, which the administrator may write, and which a node may read
and write for itself. So neither SSH nor a pod with special rights is needed.
"""

import time
from collections.abc import Callable, Iterable

from heatgen.kube.client import Api
from heatgen.kube.errors import KubernetesFailed
from heatgen.stack import backups
from heatgen.stack.backups import NodeBackups
from heatgen.yamlio.codes import Code

SELECTOR = "node-role.kubernetes.io/control-plane"
POLL = 3.0
"""Seconds between two requests."""


def read(api: Api, patience: float | None = None) -> dict[str, NodeBackups | None]:
    """Return the backups of each control-plane node; None if a node reports none.

    Raises:
        KubernetesFailed: the API does not respond, or an annotation is not readable.
    """
    path = "/api/v1/nodes"
    found = api.request("GET", path, query={"labelSelector": SELECTOR}, patience=patience)["items"]
    result = {}
    for item in found:
        name = str(item["metadata"]["name"])
        try:
            result[name] = backups.read(name, item["metadata"].get("annotations") or {})
        except backups.UnknownFormat as error:
            hint = "use the version of heatgen with which the cluster was updated last"
            raise KubernetesFailed(str(error), hint, code=Code.BACKUP_UNKNOWN) from None
    return dict(sorted(result.items()))


def request(api: Api, nodes: Iterable[str], token: str) -> None:
    """Request a backup of each node.

    Args:
        api: the API.
        nodes: names of control-plane nodes.
        token: a value that was not used before.
    """
    change = {"metadata": {"annotations": {backups.REQUEST: token}}}
    for node in nodes:
        api.patch(f"/api/v1/nodes/{node}", change)


def wait(
    api: Api, nodes: Iterable[str], token: str, seconds: float, done: Callable[[NodeBackups], None]
) -> None:
    """Wait until each node has executed a request.

    Args:
        api: the API.
        nodes: names of the nodes.
        token: the request.
        seconds: time limit.
        done: called with the state of each node when it has executed the request.

    Raises:
        KubernetesFailed: the API does not respond.
        TimeoutError: with the nodes that have not executed the request.
    """
    pending, limit = set(nodes), time.monotonic() + seconds
    while True:
        for name, found in read(api).items():
            if name in pending and found is not None and found.request == token:
                pending.discard(name)
                done(found)
        if not pending:
            return
        if time.monotonic() > limit:
            names = ", ".join(sorted(pending))
            message = f"no backup of {names} within {seconds:.0f} s"
            raise TimeoutError(f"{message}: check its log with 'journalctl -u etcd-backup'")
        time.sleep(POLL)
