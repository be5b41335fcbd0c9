# SPDX-License-Identifier: Apache-2.0
"""A workload for tests: pods, a Service, a Secret."""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.harness.cluster import Cluster, Node
from lab.harness.polling import Target

NAMESPACE = "lab-ring"
IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.66.1"
PORT = 8080
READY_SECONDS = 180

Json = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """The created workload: the address of the Service, the text of the Secret."""

    cluster: Cluster
    address: str
    secret: str

    def target(self) -> Target:
        """Return the request of a node to the Service."""
        return {"name": "service", "url": f"http://{self.address}/hostname"}

    def read_secret(self) -> str:
        """Read the text of the Secret from the API."""
        found = self.cluster.get_json("get", "secret", "kept", "-n", NAMESPACE)
        return base64.b64decode(found["data"]["text"]).decode()

    def identity(self) -> str:
        """Return the uid of the namespace, which changes only if it is recreated."""
        return str(self.cluster.get_json("get", "namespace", NAMESPACE)["metadata"]["uid"])

    def pod_on(self, node: Node) -> str:
        """Return the address of the pod on a worker."""
        pods = self.cluster.get_json("get", "pods", "-n", NAMESPACE, "-l", "app=web")["items"]
        here = [pod for pod in pods if pod["spec"]["nodeName"] == node.name]
        assert here, f"no pod on {node.name}"
        return str(here[0]["status"]["podIP"])


@contextmanager
def running(cluster: Cluster, directory: Path) -> Iterator[Workload]:
    """Create a pod on every worker and a Service; delete all at the end."""
    secret = os.urandom(16).hex()
    file = directory / "workload.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects(secret)}))
    try:
        cluster.kubectl("apply", "-f", str(file))
        words = ["rollout", "status", "daemonset/web", "-n", NAMESPACE]
        cluster.kubectl(*words, f"--timeout={READY_SECONDS}s", "--request-timeout=0")
        service = cluster.get_json("get", "service", "web", "-n", NAMESPACE)
        yield Workload(cluster, str(service["spec"]["clusterIP"]), secret)
    finally:
        words = ["delete", "namespace", NAMESPACE, "--ignore-not-found"]
        cluster.kubectl(*words, "--timeout=60s", "--request-timeout=0", check=False)


def objects(secret: str) -> list[Json]:
    """Return all objects; the pods satisfy the restricted policy and run only on workers."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        namespaced("v1", "Secret", "kept", {"stringData": {"text": secret}}),
        namespaced("v1", "ConfigMap", "pad", {"data": {}}),
        namespaced("apps/v1", "DaemonSet", "web", {"spec": daemon_set()}),
        namespaced(
            "v1",
            "Service",
            "web",
            {"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": PORT}]}},
        ),
    ]


def namespaced(version: str, kind: str, name: str, rest: Json) -> Json:
    """Return an object in the namespace of the workload."""
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        **rest,
    }


def daemon_set() -> Json:
    """Return the spec of the DaemonSet: a web server that returns its host name."""
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "runAsUser": 65534,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "web",
        "image": IMAGE,
        "args": ["netexec", f"--http-port={PORT}", "--udp-port=-1"],
        "securityContext": restricted,
        # Not /healthz, which succeeds only with the UDP server, which is disabled.
        "readinessProbe": {"httpGet": {"path": "/hostname", "port": PORT}, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    pod = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod},
    }
