# SPDX-License-Identifier: Apache-2.0
"""Edge: moves the pods of nodes to other nodes before their servers are removed.

Pods are evicted, so that disruption budgets are honoured. As with ``kubectl drain``, data of
emptyDir volumes is lost. At last pods of DaemonSets end by a taint, as Services would route to them
until the node is deleted. Those that tolerate every taint stay: they are parts of the node.
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime

from heatgen.kube.client import Api, Object
from heatgen.kube.errors import KubernetesFailed, Refused
from heatgen.kube.objects import CORDONED, Pod, node_state, pod
from heatgen.stack.members import NodeState
from heatgen.yamlio.codes import Code

POLL = 2.0
TRIES = 5
"""Number of attempts to change a node that other programs change, too."""
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
BUDGET = "DisruptionBudget"
SEVERAL = "more than one PodDisruptionBudget"
_BUDGET_NAME = re.compile(r"disruption budget (\S+) ")
OUT_OF_SERVICE = {
    "key": "node.kubernetes.io/out-of-service",
    "value": "nodeshutdown",
    "effect": "NoExecute",
}
"""The taint with which Kubernetes detaches the volumes of a server that is not running."""
LEAVING = {"key": "heatgen/leaving", "value": "", "effect": "NoExecute"}
"""The taint with which pods of DaemonSets end before a server is removed."""
_TAINTS = (OUT_OF_SERVICE["key"], LEAVING["key"])
LEAVE_SECONDS = 30.0
"""Maximum time to wait for pods of DaemonSets; they do not prevent the removal of the server."""

Log = Callable[[str], None]


def states(api: Api) -> dict[str, NodeState]:
    """Return the states of all nodes by name."""
    counts: dict[str, int] = {}
    for item in api.items("/api/v1/pods"):
        node, found = (item.get("spec") or {}).get("nodeName"), pod(item)
        if node and found.moves and not found.finished:
            counts[node] = counts.get(node, 0) + 1
    renewed = {
        item["metadata"]["name"]: str((item.get("spec") or {}).get("renewTime") or "")
        for item in api.items(LEASES)
    }
    nodes = []
    for item in api.items("/api/v1/nodes"):
        name = item["metadata"]["name"]
        nodes.append(node_state(item, api.now(), counts.get(name, 0), renewed.get(name, "")))
    return {node.name: node for node in nodes}


def cordon(api: Api, node: NodeState) -> None:
    """Make a node unschedulable; remember in an annotation that it was schedulable."""
    if not node.cordoned:
        change = {
            "metadata": {"annotations": {CORDONED: "true"}},
            "spec": {"unschedulable": True},
        }
        api.patch(f"/api/v1/nodes/{node.name}", change)


def uncordon(api: Api, name: str) -> None:
    """Make a node schedulable again if heatgen has cordoned it, and remove heatgen's taints."""

    def change(item: Object) -> Object:
        spec: Object = {}
        if CORDONED in (item["metadata"].get("annotations") or {}):
            spec["unschedulable"] = None
        taints = item["spec"].get("taints") or []
        kept = [taint for taint in taints if taint["key"] not in _TAINTS]
        if kept != taints:
            spec["taints"] = kept
        return {"metadata": {"annotations": {CORDONED: None}}, "spec": spec} if spec else {}

    _change_node(api, name, change)


def check_unmanaged(api: Api, node: str) -> None:
    """Check that every pod of a node has a controller, which recreates it on another node.

    Raises:
        KubernetesFailed: a pod has none.
    """
    lost = [found for found in _pods(api, node) if found.moves and not found.controller]
    lost = [found for found in lost if not found.finished and not found.deleting]
    if lost:
        message = f"node {node}: no controller recreates {_listed(lost)}"
        hint = "delete these pods, or pass --delete-unmanaged-pods to lose them"
        raise KubernetesFailed(message, hint, code=Code.UNMANAGED_PODS)


def drain(api: Api, node: str, seconds: float, log: Log) -> None:
    """Evict the pods of a cordoned node, and wait until they and their volumes have left it.

    Args:
        api: the API.
        node: name of the node, whose kubelet is running.
        seconds: time limit.
        log: called with each pod that leaves the node, and with each new reason to wait.

    Raises:
        KubernetesFailed: a disruption budget does not permit an eviction, a pod does not end, or a
            volume is not detached, in time.
    """
    limit = time.monotonic() + seconds
    refusals: dict[str, str] = {}
    evicted: set[str] = set()
    while True:
        pods = [found for found in _pods(api, node) if found.moves]
        if not pods:
            break
        for found in pods:
            if not found.deleting and found.uid not in evicted:
                reason = _evict(api, found)
                if reason and refusals.get(found.uid) != reason:
                    log(f"node {node}: pod {found} has to wait: {reason}")
                elif not reason:
                    log(f"node {node}: pod {found} evicted")
                    evicted.add(found.uid)
                refusals[found.uid] = reason
                _check_budget(api, node, found, reason)
        if time.monotonic() > limit:
            _raise(node, pods, refusals, seconds)
        time.sleep(POLL)
    if not _wait_detached(api, node, max(limit - time.monotonic(), POLL)):
        message = f"node {node}: volumes are still attached after {seconds:.0f} s: "
        message += ", ".join(attachments(api, node))
        hint = "run 'kubectl get volumeattachments'; check the pods of the storage driver"
        raise KubernetesFailed(message, hint, code=Code.VOLUMES_ATTACHED)
    _taint(api, node, LEAVING)
    end = time.monotonic() + LEAVE_SECONDS
    while any(found.serves for found in _pods(api, node)) and time.monotonic() < end:
        time.sleep(POLL)


def attachments(api: Api, node: str) -> list[str]:
    """Return the volumes that are attached to a node."""
    found = api.items("/apis/storage.k8s.io/v1/volumeattachments")
    return [
        str(item["spec"]["source"].get("persistentVolumeName") or item["metadata"]["name"])
        for item in found
        if item["spec"]["nodeName"] == node
    ]


def abandon(api: Api, node: str, seconds: float) -> list[str]:
    """Let Kubernetes delete the pods of a stopped server, and detach its volumes.

    Args:
        api: the API.
        node: name of the node. Its server must not be running: pods of the same names are started
            on other nodes.
        seconds: maximum time to wait.

    Returns:
        The volumes that are still attached.
    """
    if not _taint(api, node, OUT_OF_SERVICE):
        return []
    _wait_detached(api, node, seconds)
    return attachments(api, node)


def wait_ready(api: Api, node: str, since: datetime, seconds: float) -> bool:
    """Wait until a node is Ready, and its kubelet has reported; return whether this is so.

    Args:
        api: the API.
        node: name of the node.
        since: time after which the kubelet has to report. Kubernetes regards a node as Ready for
            almost a minute after its kubelet has stopped.
        seconds: time limit.
    """
    limit = time.monotonic() + seconds
    while not _reported(api, node, since):
        if time.monotonic() > limit:
            return False
        time.sleep(POLL)
    return True


def remove_node(api: Api, node: str) -> None:
    """Delete a node whose server does not exist any more, with the pods that are left on it."""
    pods = [f"/api/v1/namespaces/{each.namespace}/pods/{each.name}" for each in _pods(api, node)]
    for path in (f"/api/v1/nodes/{node}", *pods):
        body = {"gracePeriodSeconds": 0} if "/pods/" in path else None
        try:
            api.request("DELETE", path, body)
        except Refused as refused:
            if refused.status != 404:
                raise


def _taint(api: Api, name: str, taint: Mapping[str, str]) -> bool:
    """Add a taint to a node; return whether the node exists."""

    def change(item: Object) -> Object:
        taints = item["spec"].get("taints") or []
        others = [other for other in taints if other["key"] != taint["key"]]
        return {"spec": {"taints": [*others, dict(taint)]}}

    return _change_node(api, name, change)


def _change_node(api: Api, name: str, change: Callable[[Object], Object]) -> bool:
    """Apply a change that depends on the node's current state; return whether the node exists.

    The change is repeated if another program has changed the node meanwhile.
    """
    path, tries = f"/api/v1/nodes/{name}", TRIES
    while True:
        tries -= 1
        try:
            item = api.get(path)
            patch = change(item)
            if patch:
                version = {"resourceVersion": item["metadata"]["resourceVersion"]}
                api.patch(path, patch | {"metadata": patch.get("metadata", {}) | version})
        except Refused as refused:
            if refused.status == 404:
                return False
            if refused.status != 409 or not tries:
                raise
        else:
            return True


def _reported(api: Api, node: str, since: datetime) -> bool:
    try:
        item = api.get(f"/api/v1/nodes/{node}")
        lease = api.get(f"{LEASES}/{node}")
    except Refused as refused:
        if refused.status == 404:
            return False
        raise
    renewed = (lease.get("spec") or {}).get("renewTime")
    if not renewed or datetime.fromisoformat(renewed) <= since:
        return False
    return node_state(item, api.now()).ready


def _pods(api: Api, node: str) -> list[Pod]:
    found = api.items("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")
    return [pod(item) for item in found]


def _evict(api: Api, found: Pod) -> str:
    """Request the eviction of a pod; return why it is refused for now, or ''."""
    path = f"/api/v1/namespaces/{found.namespace}/pods/{found.name}"
    body: Object = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": found.name, "namespace": found.namespace},
        "deleteOptions": {"preconditions": {"uid": found.uid}},
    }
    try:
        api.request("POST", f"{path}/eviction", body)
    except Refused as refused:
        if refused.status in (404, 409):
            # It has ended, or a pod of the same name exists elsewhere.
            return ""
        if refused.cause(BUDGET):
            return refused.cause(BUDGET)
        if refused.cause("NamespaceTerminating"):
            # It is deleted with its namespace.
            return "its namespace is being deleted"
        if refused.status in (429, 500):
            return refused.reason
        raise
    return ""


def _check_budget(api: Api, node: str, found: Pod, reason: str) -> None:
    """Fail at once if a budget never permits the eviction, whatever becomes ready.

    Raises:
        KubernetesFailed: the budget requires as many healthy pods as there can be.
    """
    if SEVERAL in reason:
        raise _budget(node, found, reason)
    named = _BUDGET_NAME.search(reason)
    if not named:
        return
    path = f"/apis/policy/v1/namespaces/{found.namespace}/poddisruptionbudgets/{named[1]}"
    try:
        status = api.get(path).get("status") or {}
    except Refused:
        return
    if status.get("desiredHealthy", 0) >= max(1, status.get("expectedPods", 0)):
        raise _budget(node, found, reason)


def _raise(node: str, pods: list[Pod], refusals: Mapping[str, str], seconds: float) -> None:
    """Raise the reason why pods have not left a node in time."""
    for found in pods:
        if refusals.get(found.uid):
            raise _budget(node, found, refusals[found.uid])
    message = f"node {node}: {_listed(pods)} did not end within {seconds:.0f} s"
    hint = "check them with 'kubectl describe pod', or raise --drain-timeout"
    raise KubernetesFailed(message, hint, code=Code.PODS_NOT_MOVED)


def _budget(node: str, found: Pod, reason: str) -> KubernetesFailed:
    message = f"node {node} cannot be drained: pod {found}: {reason}"
    hint = (
        f"run 'kubectl get pdb -n {found.namespace}'; add replicas, or change the budget, "
        "and run the command again"
    )
    return KubernetesFailed(message, hint, code=Code.DISRUPTION_BUDGET)


def _wait_detached(api: Api, node: str, seconds: float) -> bool:
    """Wait until no volume is attached to a node; return whether this is so."""
    limit = time.monotonic() + seconds
    while attachments(api, node):
        if time.monotonic() > limit:
            return False
        time.sleep(POLL)
    return True


def _listed(pods: list[Pod]) -> str:
    """Return the names of the first pods."""
    more = f" and {len(pods) - 3} more" if len(pods) > 3 else ""
    noun = "pod" if len(pods) == 1 else "pods"
    return f"{noun} {', '.join(map(str, pods[:3]))}{more}"
