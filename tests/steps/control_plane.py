# SPDX-License-Identifier: Apache-2.0
"""A real control plane on loopback, without kubelets: etcd, API server, controllers, scheduler."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.programs import search

START_SECONDS = 120.0
CONTROLLERS = "disruption-controller,deployment-controller,replicaset-controller"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
MERGE_PATCH = "application/merge-patch+json"


def free_port() -> int:
    """Return a port that no program uses now."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


class ApiError(Exception):
    """An error response of the API server."""


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane; the folder has its certificates."""

    folder: Path
    url: str

    def certificate(self, name: str, subject: str) -> None:
        """Create ``NAME.key`` and ``NAME.crt`` for a client or the server, unless they exist."""
        create_certificate(self.folder, name, subject)

    def request(self, method: str, path: str, body: Any = None, kind: str = "") -> dict[str, Any]:
        """Send a request as administrator; return the object. Raise ApiError."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        context.load_cert_chain(self.folder / "bootstrap.crt", self.folder / "bootstrap.key")
        kind = kind or (MERGE_PATCH if method == "PATCH" else "application/json")
        data = None if body is None else json.dumps(body).encode()
        sent = urllib.request.Request(
            self.url + path, data=data, method=method, headers={"Content-Type": kind}
        )
        try:
            with urllib.request.urlopen(sent, timeout=30, context=context) as response:
                result: dict[str, Any] = json.load(response)
                return result
        except urllib.error.HTTPError as error:
            message = f"{method} {path}: {error.code} {error.read().decode()[:500]}"
            raise ApiError(message) from None

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return the items of a list."""
        found: list[dict[str, Any]] = self.request("GET", path)["items"]
        return found

    def node(self, name: str) -> dict[str, Any]:
        """Return a Node."""
        return self.request("GET", f"/api/v1/nodes/{name}")


def create_certificate(folder: Path, name: str, subject: str) -> None:
    """Create ``NAME.key`` and ``NAME.crt``, signed by ``ca.key``, unless they exist."""
    if (folder / f"{name}.crt").exists():
        return
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(folder, "req", *KEY, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
    openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
        "-days", "2", "-extfile", "extensions", "-out", f"{name}.crt",
    )  # fmt: skip


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl in a folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@contextmanager
def running(folder: Path) -> Iterator[ControlPlane]:
    """Run a control plane in a folder; skip the test if its programs are missing."""
    found = search("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    programs = {name: str(path) for name, path in found.items()}
    openssl(folder, "req", "-x509", *KEY, "-subj", "/CN=ca", "-days", "2", "-keyout", "ca.key",
            "-out", "ca.crt")  # fmt: skip
    for name, subject in (
        ("server", "/CN=kube-apiserver"),
        ("bootstrap", "/O=system:masters/CN=heatgen:bootstrap"),
    ):
        create_certificate(folder, name, subject)
    client, peer, port = free_port(), free_port(), free_port()
    plane = ControlPlane(folder, f"https://127.0.0.1:{port}")
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(kubeconfig_text(plane.url, folder, "bootstrap"))
    etcd, own = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    commands = (
        [programs["etcd"], f"--data-dir={folder}/etcd", f"--listen-client-urls={etcd}",
         f"--advertise-client-urls={etcd}", f"--listen-peer-urls={own}", "--name=one",
         f"--initial-advertise-peer-urls={own}", f"--initial-cluster=one={own}",
         "--unsafe-no-fsync"],
        [programs["kube-apiserver"], f"--etcd-servers={etcd}", f"--secure-port={port}",
         "--bind-address=127.0.0.1", "--authorization-mode=Node,RBAC",
         "--enable-admission-plugins=NodeRestriction",
         "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
         f"--client-ca-file={folder}/ca.crt", f"--tls-cert-file={folder}/server.crt",
         f"--tls-private-key-file={folder}/server.key", "--service-cluster-ip-range=10.96.0.0/16",
         "--service-account-issuer=test", f"--service-account-key-file={folder}/server.crt",
         f"--service-account-signing-key-file={folder}/server.key"],
        [programs["kube-controller-manager"], f"--kubeconfig={kubeconfig}", "--secure-port=0",
         f"--controllers={CONTROLLERS}", "--leader-elect=false"],
        [programs["kube-scheduler"], f"--kubeconfig={kubeconfig}", "--secure-port=0",
         "--leader-elect=false"],
    )  # fmt: skip
    processes = []
    try:
        for number, command in enumerate(commands):
            with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
                processes.append(
                    subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
                )
            if number == 1:
                wait_until_ready(plane, processes)
        yield plane
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


def kubeconfig_text(url: str, pki: Path, name: str) -> str:
    """Return a kubeconfig, in the form that the steps write."""
    return (
        "apiVersion: v1\nkind: Config\ncurrent-context: default\nclusters:\n"
        f"- {{name: default, cluster: {{server: '{url}', certificate-authority: {pki}/ca.crt}}}}\n"
        f"users:\n- {{name: default, user: {{client-certificate: {pki}/{name}.crt, "
        f"client-key: {pki}/{name}.key}}}}\n"
        "contexts:\n- {name: default, context: {cluster: default, user: default}}\n"
    )


def wait_until_ready(plane: ControlPlane, processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait until the API server is ready."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            plane.request("GET", "/api/v1/namespaces/kube-system")
        except (ApiError, OSError) as error:
            ended = [process.args for process in processes if process.poll() is not None]
            if ended or time.monotonic() > end:
                raise AssertionError(f"the API server is not ready: {error}, {ended}") from None
            time.sleep(0.2)
        else:
            return


class Kubelets(threading.Thread):
    """Simulated kubelets: report versions, renew leases, and run pods by reporting them as Ready.

    The version of a node's kubelet is in ``FOLDER/NODE``; with an empty file it does not run.
    """

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        super().__init__(daemon=True)
        self.plane, self.folder = plane, folder
        self.ended = threading.Event()
        folder.mkdir(exist_ok=True)

    def run(self) -> None:
        """Report until the end."""
        while not self.ended.wait(0.3):
            for file in self.folder.iterdir():
                with suppress(ApiError, OSError):
                    if version := file.read_text().strip():
                        self.report(file.name, version)

    def stop(self) -> None:
        """End the thread."""
        self.ended.set()
        self.join()

    def register(self, name: str, version: str, labels: Mapping[str, str]) -> None:
        """Register a node."""
        metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}}
        self.plane.request("POST", "/api/v1/nodes", {"metadata": metadata})
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        with suppress(ApiError):
            namespace = {"metadata": {"name": "kube-node-lease"}}
            self.plane.request("POST", "/api/v1/namespaces", namespace)
        with suppress(ApiError):
            self.plane.request("POST", leases, {"metadata": {"name": name}})
        (self.folder / name).write_text(version)
        self.report(name, version)

    def report(self, name: str, version: str) -> None:
        """Report a node, its lease and its pods."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 10**9:09}"
        lease = {"spec": {"holderIdentity": name, "renewTime": f"{now[:-3]}Z"}}
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
        self.plane.request("PATCH", path, lease)
        status = {
            "nodeInfo": {"kubeletVersion": version},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "allocatable": {"cpu": "8", "memory": "16Gi", "pods": "110"},
            "capacity": {"cpu": "8", "memory": "16Gi", "pods": "110"},
        }
        self.plane.request("PATCH", f"/api/v1/nodes/{name}/status", {"status": status})
        for pod in self.plane.items(f"/api/v1/pods?fieldSelector=spec.nodeName={name}"):
            metadata = pod["metadata"]
            path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
            if "deletionTimestamp" in metadata:
                self.plane.request("DELETE", path, {"gracePeriodSeconds": 0})
            elif pod["status"].get("phase") != "Running":
                ready = {"type": "Ready", "status": "True"}
                status = {"phase": "Running", "conditions": [ready]}
                self.plane.request("PATCH", f"{path}/status", {"status": status})
