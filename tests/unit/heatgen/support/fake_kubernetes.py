# SPDX-License-Identifier: Apache-2.0
"""A fake Kubernetes API on loopback, for the real client; the shapes are those of 1.37.

``tests/kube`` tests the client with a real API server. Here evicted pods are gone at once.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http_server import running

Object = dict[str, Any]
LONG_AGO = "2026-01-01T00:00:00Z"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"


class Kubernetes:
    """The state of a cluster, and the requests received."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        """By path."""
        self.budgets: dict[str, str] = {}
        """Reason why the eviction of a pod is refused, by its name."""
        self.sent: list[tuple[str, str, Any]] = []
        """Requests that change something: method, path, body."""
        self.away = False
        """Whether the API responds with 503."""
        self.folder = Path()

    @property
    def kubeconfig(self) -> str:
        """Path of a kubeconfig."""
        return str(self.folder / "kubeconfig")

    def node(self, name: str, *, ready: bool = True, since: str = LONG_AGO, **spec: Any) -> None:
        """Add a node."""
        condition = {
            "type": "Ready", "status": "True" if ready else "Unknown",
            "lastTransitionTime": since, "reason": "NodeStatusUnknown",
        }  # fmt: skip
        self.objects[f"/api/v1/nodes/{name}"] = {
            "metadata": {"name": name, "resourceVersion": "1", "creationTimestamp": LONG_AGO},
            "spec": spec,
            "status": {"conditions": [{"type": "MemoryPressure", "status": "False"}, condition]},
        }

        # The kubelet renews it.
        lease = {"spec": {"renewTime": "2999-01-01T00:00:00.000000Z" if ready else since}}
        self.objects[f"{NODE_LEASES}/{name}"] = {"metadata": {"name": name}, **lease}

    def pod(self, name: str, node: str, controller: str = "ReplicaSet") -> None:
        """Add a running pod."""
        owners = [{"kind": controller, "name": "x", "controller": True}] if controller else []
        self.objects[f"/api/v1/namespaces/default/pods/{name}"] = {
            "metadata": {
                "namespace": "default", "name": name, "uid": f"uid-{name}",
                "ownerReferences": owners,
            },
            "spec": {"nodeName": node},
            "status": {"phase": "Running"},
        }  # fmt: skip

    def nodes(self) -> set[str]:
        """Return the names of the nodes."""
        start = "/api/v1/nodes/"
        return {path.removeprefix(start) for path in self.objects if path.startswith(start)}

    def cordoned(self) -> list[str]:
        """Return the names of the cordoned nodes."""
        return [
            name for name in sorted(self.nodes())
            if self.objects[f"/api/v1/nodes/{name}"]["spec"].get("unschedulable")
        ]  # fmt: skip

    def evicted(self) -> list[str]:
        """Return the names of the evicted pods, in order."""
        return [path.split("/")[-2] for _, path, _ in self.sent if path.endswith("/eviction")]

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Any:
        """Return status and body of the response to a request."""
        if self.away:
            return 503, {"message": "no leader"}
        if method != "GET":
            self.sent.append((method, path, body))
        if method == "POST":
            return self._create(path, body)
        if path == "/readyz":
            return 200, "ok"
        if path not in self.objects:
            return self._list(path, query) if method == "GET" else (404, {"message": "not found"})
        if method == "DELETE":
            return 200, self.objects.pop(path)
        if method == "PATCH":
            _merge(self.objects[path], body)
        elif method == "PUT":
            self.objects[path] = body
        return 200, self.objects[path]

    def _list(self, path: str, query: dict[str, list[str]]) -> Any:
        part = r"(/namespaces/[^/]+)?/pods/" if path == "/api/v1/pods" else None
        start = re.compile(rf"/api/v1{part}[^/]+\Z" if part else rf"{re.escape(path)}/[^/]+\Z")
        found = [item for name, item in self.objects.items() if start.match(name)]
        [node] = query.get("fieldSelector", [""])
        if node:
            wanted = node.removeprefix("spec.nodeName=")
            found = [item for item in found if item["spec"]["nodeName"] == wanted]
        plural = path.rsplit("/", 1)[-1]
        if not found and plural not in ("pods", "nodes", "volumeattachments", "leases"):
            return 404, {"message": f"{path} not found"}
        return 200, {"items": found}

    def _create(self, path: str, body: Any) -> Any:
        if path.endswith("/eviction"):
            return self._evict(path.removesuffix("/eviction"))
        path = f"{path}/{body['metadata']['name']}"
        if path in self.objects:
            return 409, {"message": "exists"}
        self.objects[path] = body | {"metadata": body["metadata"] | {"resourceVersion": "1"}}
        return 201, self.objects[path]

    def _evict(self, path: str) -> Any:
        name = path.rsplit("/", 1)[-1]
        if name in self.budgets:
            cause = {"reason": "DisruptionBudget", "message": self.budgets[name]}
            message = "Cannot evict pod as it would violate the pod's disruption budget."
            return 429, {"kind": "Status", "message": message, "details": {"causes": [cause]}}
        self.objects.pop(path, None)
        return 201, {"kind": "Status", "status": "Success"}


def _merge(item: Object, change: Object) -> None:
    """Apply a JSON merge patch."""
    for key, value in change.items():
        if value is None:
            item.pop(key, None)
        elif isinstance(value, dict):
            _merge(item.setdefault(key, {}), value)
        else:
            item[key] = value


@contextmanager
def serving(folder: Path) -> Iterator[Kubernetes]:
    """Run the API; yield its state. The kubeconfig is written to a folder."""
    state = Kubernetes()
    state.folder = folder

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            url = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = state.answer(
                self.command, url.path, parse_qs(url.query), json.loads(text) if text else None
            )
            data = content.encode() if isinstance(content, str) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815  required by http.server

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        (folder / "kubeconfig").write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "demo",
            "clusters": [{"name": "demo", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "demo", "user": {"token": "t"}}],
            "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": "demo"}}],
        }))  # fmt: skip
        yield state
