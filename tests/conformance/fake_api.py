# SPDX-License-Identifier: Apache-2.0
"""Fake Kubernetes API for tests of the suite's own objects: a store of objects by path."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
VERSION = "v1.37.2"
COLLECTIONS = {
    "configmaps", "daemonsets", "deployments", "events", "leases", "namespaces", "nodes", "pods",
    "secrets", "services", "serviceaccounts", "statefulsets", "jobs", "poddisruptionbudgets",
    "priorityclasses", "roles", "rolebindings", "clusterroles", "clusterrolebindings",
    "apiservices", "storageclasses", "endpointslices", "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
}  # fmt: skip

UNREADY = (500, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n")


@dataclass(kw_only=True)
class FakeApi:
    """State and configured failures of the API."""

    objects: dict[str, Json] = field(default_factory=dict)
    """Objects by path. Objects of dry runs are not stored."""
    refused: set[str] = field(default_factory=set)
    """Kinds that cannot be created."""
    stuck: set[str] = field(default_factory=set)
    """Namespaces that remain in termination."""
    forbidden: set[str] = field(default_factory=set)
    """Resources that access reviews deny."""
    broken: str = ""
    """Reason why nothing can be created."""
    readiness: tuple[int, Any] = (200, "[+]ping ok\n[+]etcd ok\nreadyz check passed\n")
    """Status and body of /readyz."""
    unready: int = 0
    """Number of first requests to /readyz that report etcd as failed."""
    pod_security: bool = False
    """Whether privileged pods are rejected in namespaces that do not allow them."""
    breaking: int = 0
    """Number of next requests whose connection is closed without a response."""
    calls: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    """Authorization header of each request."""
    server: str = ""

    def namespaces(self) -> list[str]:
        """Return the names of all namespaces."""
        parent = "/api/v1/namespaces"
        return [
            name for at, _, name in (path.rpartition("/") for path in self.objects) if at == parent
        ]

    def add_node(self, name: str, address: str, ready: str = "False") -> None:
        """Add a node; by default it is not Ready, so that pods never run on it."""
        self.objects[f"/api/v1/nodes/{name}"] = {
            "metadata": {"name": name, "labels": {}},
            "status": {
                "addresses": [{"type": "InternalIP", "address": address}],
                "conditions": [{"type": "Ready", "status": ready, "reason": "Fake"}],
                "nodeInfo": {"kubeletVersion": VERSION},
            },
        }

    def add_api_service(self) -> None:
        """Add the Service ``kubernetes``, which every cluster has."""
        service = {"metadata": {"name": "kubernetes"}, "spec": {"clusterIP": "10.96.0.1"}}
        self.objects["/api/v1/namespaces/default/services/kubernetes"] = service

    def cluster_scoped(self) -> list[str]:
        """Return the names of priority classes and of extended resources of nodes."""
        return [
            *(path.rpartition("/")[2] for path in self.objects if "/priorityclasses/" in path),
            *(
                name
                for path, each in self.objects.items()
                if path.startswith("/api/v1/nodes/")
                for part in ("capacity", "allocatable")
                for name in each["status"].get(part, {})
            ),
        ]

    def add_namespace(self, name: str, labels: Json, created: datetime) -> None:
        """Add an existing namespace."""
        stamp = created.strftime("%Y-%m-%dT%H:%M:%SZ")
        self._store("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}}, stamp)

    def answer(self, method: str, path: str, query: Json, body: Json) -> tuple[int, Any]:
        """Process a request; return HTTP status and body."""
        self.calls.append(f"{method} {path}")
        if path == "/version":
            return 200, {"gitVersion": VERSION}
        if path.endswith("/selfsubjectaccessreviews"):
            attributes = body["spec"]["resourceAttributes"]
            return 201, {"status": {"allowed": attributes["resource"] not in self.forbidden}}
        if path == "/readyz":
            return self._ready()
        if method == "POST":
            return self._post(path, query, body)
        if method == "GET" and path.rpartition("/")[2] in COLLECTIONS:
            return 200, {"items": self._list(path, query.get("labelSelector", [""])[0])}
        if path not in self.objects and not path.endswith(("/pods", "/status")):
            return 404, {"message": f"{path} not found"}
        if method == "DELETE":
            self._delete(path)
        if method == "PATCH" and path.endswith("/status"):
            return 200, self._patch_status(path.removesuffix("/status"), body["status"])
        return 200, self.objects.get(path, {})

    def _ready(self) -> tuple[int, Any]:
        if self.unready:
            self.unready -= 1
            return UNREADY
        return self.readiness

    def _post(self, path: str, query: Json, body: Json) -> tuple[int, Json]:
        if self.broken:
            return 500, {"message": self.broken}
        if body["kind"] in self.refused:
            return 403, {"message": f"{body['kind']}s are forbidden"}
        if self.pod_security and body["kind"] == "Pod" and self._is_privileged(path, body["spec"]):
            return 403, {"message": "violates PodSecurity"}
        if "dryRun" in query:
            return 201, body
        return 201, self._store(path, body, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

    def _is_privileged(self, path: str, spec: Json) -> bool:
        labels = self.objects[path.removesuffix("/pods")]["metadata"].get("labels", {})
        if labels.get("pod-security.kubernetes.io/enforce") == "privileged":
            return False
        host = any("hostPath" in volume for volume in spec["volumes"])
        security = [container.get("securityContext") for container in spec["containers"]]
        return host or any(security) or bool({"hostNetwork", "hostPID"} & set(spec))

    def _store(self, collection: str, body: Json, created: str) -> Json:
        metadata = body["metadata"] | {"creationTimestamp": created}
        stored = {"status": {"phase": "Active"}} | body | {"metadata": metadata}
        if body.get("kind") == "Service":
            stored["spec"] |= {"clusterIP": "10.96.7.7", "ports": [{"port": 80, "nodePort": 30080}]}
        self.objects[f"{collection}/{metadata['name']}"] = stored
        return stored

    def _patch_status(self, path: str, change: Json) -> Json:
        status = self.objects[path]["status"]
        for part, amounts in change.items():
            merged = status.get(part, {}) | amounts
            status[part] = {name: value for name, value in merged.items() if value is not None}
        return self.objects[path]

    def _list(self, path: str, selector: str) -> list[Json]:
        return [
            each
            for at, each in self.objects.items()
            if at.rpartition("/")[0] == path
            and (not selector or selector.partition("=")[0] in each["metadata"].get("labels", {}))
        ]

    def _delete(self, path: str) -> None:
        if path.rpartition("/")[2] in self.stuck:
            reason = {"type": "Remains", "status": "True", "message": "pods remain"}
            self.objects[path]["status"] = {"phase": "Terminating", "conditions": [reason]}
            return
        for at in [at for at in self.objects if at == path or f"{path}/" in f"{at}/"]:
            del self.objects[at]


@contextmanager
def serving(api: FakeApi) -> Iterator[FakeApi]:
    """Serve the API on a free local port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or "{}")
            api.authorizations.append(self.headers.get("Authorization", ""))
            if api.breaking:
                api.breaking -= 1
                self.close_connection = True
                return
            code, answer = api.answer(self.command, url.path, parse_qs(url.query), body)
            data = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815  http.server's names

        def log_message(self, *_: object) -> None:
            """Do not log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api.server = f"http://127.0.0.1:{server.server_port}"
        yield api
        server.shutdown()
