# SPDX-License-Identifier: Apache-2.0
"""Commands on nodes through privileged pods, so that no SSH access is required."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from cloudring.commands import ActionFailed
from conformance.api.client import Cluster
from conformance.options import IMAGE
from conformance.outcome import InconclusiveError

NAMESPACE = "heatgen-cloud-ring"
_EXEC_SECONDS = 300.0
_PAUSE = 2.0
_PATH = "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_POD_SECONDS = 240
BOOT_SCRIPT = (
    "read -r id </proc/sys/kernel/random/boot_id; set -- $(cat /proc/1/stat); echo $id ${22}"
)
"""Prints what changes with every boot: of a virtual machine the id, of a container the start time
of process 1."""
# Ticks of all processes of the agent's service, with those of their children that have ended. The
# name of a process, the second field, may contain spaces.
CPU_SCRIPT = """
ticks=0
for folder in /proc/[0-9]*; do
    group=$(cat "$folder/cgroup" 2>/dev/null) || continue
    case $group in *heatgen-agent.service*) ;; *) continue ;; esac
    line=$(cat "$folder/stat" 2>/dev/null) || continue
    set -- ${line##*) }
    ticks=$((ticks + ${12} + ${13} + ${14} + ${15}))
done
read -r uptime rest </proc/uptime
echo "$ticks $uptime"
"""
TICKS_PER_SECOND = 100
"""USER_HZ, the same on all architectures of Linux that Kubernetes supports."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Node:
    """A node: its name, whether it is of the control plane, and its internal address."""

    name: str
    is_control: bool
    address: str


def share(before: str, after: str) -> float:
    """Return the percentage of a processor between two outputs of ``CPU_SCRIPT``."""
    (first, began), (last, ended) = (tuple(map(float, text.split())) for text in (before, after))
    if first <= 0 or last < first:
        raise ActionFailed("the processes of heatgen-agent.service were not found on the node")
    return round(100 * (last - first) / TICKS_PER_SECOND / (ended - began), 2)


def wait_for(
    what: str, seconds: float, find: Callable[[], Found], stopped: Callable[[], bool]
) -> Found:
    """Call `find` until its result is true; failed requests are repeated.

    Raises:
        ActionFailed: timeout or interruption, with the last error.
    """
    deadline = time.monotonic() + seconds
    while True:
        last = ""
        try:
            if found := find():
                return found
        except InconclusiveError as error:
            last = f": {error}"
        if stopped():
            raise ActionFailed(f"{what}: interrupted")
        if time.monotonic() > deadline:
            raise ActionFailed(f"{what}: no success after {seconds:.0f} s{last[:200]}")
        time.sleep(_PAUSE)


class NodeShell:
    """Runs scripts on the nodes of a cluster; creates a pod on a node when one is needed."""

    def __init__(self, cluster: Cluster, image: str, stopped: Callable[[], bool]) -> None:
        self.cluster, self.image, self.stopped = cluster, image or IMAGE, stopped

    def nodes(self) -> list[Node]:
        """Return all nodes, the workers first."""
        found = [
            Node(
                item["metadata"]["name"],
                "node-role.kubernetes.io/control-plane" in item["metadata"].get("labels", {}),
                next(
                    each["address"]
                    for each in item["status"]["addresses"]
                    if each["type"] == "InternalIP"
                ),
            )
            for item in self.cluster.items("/api/v1/nodes")
        ]
        return sorted(found, key=lambda node: (node.is_control, node.name))

    def boot(self, node: str) -> str:
        """Return what changes with every boot of a node."""
        return self.run(node, BOOT_SCRIPT)

    def run(self, node: str, script: str, *, on_host: bool = False) -> str:
        """Run a shell script in the pod of a node, or with the node's files; return its output.

        Raises:
            ActionFailed: the script failed, or its pod did not start.
            InconclusiveError: the API or the node did not respond.
        """
        self._require_pod(node)
        # An absolute path: busybox would run its own shell.
        enter = ["nsenter", "-t", "1", "-m", "/bin/sh", "-c", f"{_PATH}\n{script}"]
        command = enter if on_host else ["sh", "-c", script]
        result = self.cluster.execute(NAMESPACE, pod_name(node), command, _EXEC_SECONDS)
        if result.status:
            text = (result.stderr or result.stdout).strip()[-200:]
            raise ActionFailed(f"on {node}: exit status {result.status}: {text}")
        return result.stdout.strip()

    def renew(self, node: str) -> None:
        """Delete the pod of a node, whose processes ended with the last boot."""
        self.cluster.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod_name(node)}", at_once=True)

    def close(self) -> None:
        """Delete all pods, and wait: the suite checks the whole cluster."""
        path = f"/api/v1/namespaces/{NAMESPACE}"
        self.cluster.delete(path)
        wait_for(
            f"deletion of namespace {NAMESPACE}", _POD_SECONDS,
            lambda: not self._exists(path), self.stopped,
        )  # fmt: skip

    def _exists(self, path: str) -> bool:
        names = {f"/api/v1/namespaces/{item['metadata']['name']}"
                 for item in self.cluster.items("/api/v1/namespaces")}  # fmt: skip
        return path in names

    def _require_pod(self, node: str) -> None:
        """Create the pod of a node if it does not exist, and wait until it runs."""
        if not self._exists(f"/api/v1/namespaces/{NAMESPACE}"):
            self.cluster.create(namespace())
        path = f"/api/v1/namespaces/{NAMESPACE}/pods"

        def runs() -> bool:
            pods = {item["metadata"]["name"]: item for item in self.cluster.items(path)}
            found = pods.get(pod_name(node))
            if found is None:
                self.cluster.create(pod(node, self.image))
                return False
            if "deletionTimestamp" in found["metadata"]:
                return False
            if found["status"].get("phase") in ("Failed", "Succeeded"):
                self.renew(node)
                return False
            states = found["status"].get("containerStatuses") or [{}]
            return "running" in states[0].get("state", {})

        wait_for(f"pod on {node}", _POD_SECONDS, runs, self.stopped)

    def ready_since(self, node: str, moment: float) -> bool:
        """Return whether the kubelet of a node reported after a moment, and the node is Ready."""
        lease = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}"
        renewed = str(self.cluster.get(lease)["spec"]["renewTime"])
        return _seconds(renewed) > moment and self.all_ready()

    def all_ready(self) -> bool:
        """Return whether all nodes are Ready."""
        return all(_is_ready(item) for item in self.cluster.items("/api/v1/nodes"))


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = node["status"].get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def pod_name(node: str) -> str:
    """Return the name of a node's pod."""
    return f"shell-{node}"


def namespace() -> dict[str, Any]:
    """Return the namespace of the pods, which allows privileged ones."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": labels}}  # fmt: skip


def pod(node: str, image: str) -> dict[str, Any]:
    """Return a privileged pod in the process namespace of a node."""
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/agnhost", "pause"] if image == IMAGE else ["sleep", "86400"],
        "securityContext": {"privileged": True},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod_name(node), "namespace": NAMESPACE},
        "spec": {
            "nodeName": node,
            "hostPID": True,
            "hostNetwork": True,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "tolerations": [{"operator": "Exists"}],
            "containers": [container],
        },
    }
