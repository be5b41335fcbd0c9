# SPDX-License-Identifier: Apache-2.0
"""A control plane without nodes on loopback: etcd, API server, controllers, scheduler.

Kubelets are replaced by a thread: pods on nodes that are running become Ready, and end when they
are deleted.
"""

import base64
import datetime
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from heatgen.kube.client import Api, Object
from heatgen.kube.drain import LEASES
from heatgen.kube.errors import KubernetesFailed, Refused

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
CONTROLLERS = (
    "deployment-controller", "replicaset-controller", "disruption-controller",
    "pod-garbage-collector-controller", "persistentvolume-attach-detach-controller",
    "taint-eviction-controller", "node-lifecycle-controller",
    "serviceaccount-controller", "root-ca-certificate-publisher-controller",
)  # fmt: skip
READY = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
NAMESPACE = "default"


class Kubelets:
    """Kubelets of the nodes that are running. They report every five seconds."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.running: set[str] = set()
        self.hung: set[str] = set()
        """Names of pods that do not end."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop all kubelets."""
        self._ended.set()
        self._thread.join(10)

    def _work(self) -> None:
        reported = 0.0
        while not self._ended.wait(0.2):
            try:
                if time.monotonic() - reported > 5:
                    reported = time.monotonic()
                    for name in sorted(self.running):
                        report(self.api, name)
                for item in self.api.items("/api/v1/pods"):
                    if item["spec"].get("nodeName") in self.running:
                        self._sync(item)
            except KubernetesFailed:
                continue

    def _sync(self, item: Object) -> None:
        metadata = item["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if metadata.get("deletionTimestamp"):
            if metadata["name"] not in self.hung:
                self.api.request("DELETE", path, {"gracePeriodSeconds": 0})
        elif not item["status"].get("conditions") or item["status"].get("phase") == "Pending":
            now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            status = {"phase": "Running", "startTime": now, "conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": now},
            ]}  # fmt: skip
            self.api.patch(f"{path}/status", {"status": status})


def create(api: Api, *items: Object) -> None:
    """Create objects."""
    collections = {
        "Node": "/api/v1/nodes",
        "Pod": f"/api/v1/namespaces/{NAMESPACE}/pods",
        "Deployment": f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
        "PodDisruptionBudget": f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets",
        "VolumeAttachment": "/apis/storage.k8s.io/v1/volumeattachments",
        "PersistentVolume": "/api/v1/persistentvolumes",
    }
    for item in items:
        api.request("POST", collections[item["kind"]], item)


def node(api: Api, name: str, *, ready: bool = True) -> None:
    """Create a node."""
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name}}
    create(api, {"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    set_ready(api, name, ready=ready)


def set_ready(api: Api, name: str, *, ready: bool) -> None:
    """Set the condition Ready of a node."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = READY | {
        "status": "True" if ready else "Unknown",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    room = {"cpu": "8", "memory": "8Gi", "pods": "110"}
    status = {"conditions": [condition], "capacity": room, "allocatable": room}
    api.patch(f"/api/v1/nodes/{name}/status", {"status": status})
    # The API server adds this taint to new nodes; the controller of nodes would remove it.
    api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})


def report(api: Api, node: str) -> None:
    """Renew the lease of a node, as its kubelet does."""
    now = api.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    body = {
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": node, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": now},
    }  # fmt: skip
    try:
        api.request("POST", LEASES, body)
    except Refused:
        api.patch(f"{LEASES}/{node}", {"spec": {"renewTime": now}})


def deployment(name: str, replicas: int) -> Object:
    """Return a deployment whose pods prefer different nodes."""
    labels = {"app": name}
    spread = {
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": labels},
    }  # fmt: skip
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [{"name": "main", "image": "main"}],
                    "topologySpreadConstraints": [spread],
                },
            },
        },
    }  # fmt: skip


def budget(name: str, **rule: int) -> Object:
    """Return a disruption budget of the deployment of the same name."""
    return {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, **rule},
    }  # fmt: skip


@contextmanager
def running(folder: Path, found: dict[str, Path], *options: str) -> Iterator[Api]:
    """Run the programs; yield a client with the rights of an administrator.

    Args:
        folder: for their files; etcd continues with its data.
        found: paths of the programs.
        options: for API server, controllers and scheduler.
    """
    ports = {name: _free_port() for name in ("etcd", "peer", "api", "controllers", "scheduler")}
    authority, client = _identity(folder)
    with ExitStack() as cleanup:

        def run(name: str, *words: str) -> None:
            log = cleanup.enter_context((folder / f"{name}.log").open("ab"))
            process = subprocess.Popen([found[name], *words], stdout=log, stderr=log, cwd=folder)
            cleanup.callback(process.wait)
            cleanup.callback(process.kill)

        etcd = f"http://127.0.0.1:{ports['etcd']}"
        peer = f"http://127.0.0.1:{ports['peer']}"
        run(
            "etcd", "--data-dir", str(folder / "etcd"), "--listen-client-urls", etcd,
            "--advertise-client-urls", etcd, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
            "--unsafe-no-fsync",
        )  # fmt: skip
        run(
            "kube-apiserver", "--etcd-servers", etcd, "--bind-address", "127.0.0.1",
            "--secure-port", str(ports["api"]), "--cert-dir", str(folder / "serving"),
            "--client-ca-file", str(authority), "--authorization-mode", "RBAC",
            "--service-account-issuer", "https://kubernetes.default.svc",
            "--service-account-key-file", str(folder / "token.key"),
            "--service-account-signing-key-file", str(folder / "token.key"),
            "--service-cluster-ip-range", "10.96.0.0/24",
            "--disable-admission-plugins", "ServiceAccount,TaintNodesByCondition", *options,
        )  # fmt: skip
        serving = folder / "serving" / "apiserver.crt"
        _wait(serving.exists)
        config = _kubeconfig(ports["api"], serving.read_bytes(), client)
        api = Api(config)
        _wait(lambda: _ready(api))
        file = folder / "kubeconfig"
        file.write_text(json.dumps(config))
        run(
            "kube-controller-manager", "--kubeconfig", str(file), "--leader-elect=false",
            "--secure-port", str(ports["controllers"]), "--bind-address", "127.0.0.1",
            "--cert-dir", str(folder / "controllers"), "--controllers", ",".join(CONTROLLERS),
            *options,
        )  # fmt: skip
        run(
            "kube-scheduler", "--kubeconfig", str(file), "--leader-elect=false",
            "--secure-port", str(ports["scheduler"]), "--bind-address", "127.0.0.1",
            "--cert-dir", str(folder / "scheduler"), *options,
        )  # fmt: skip
        yield api


def _ready(api: Api) -> bool:
    try:
        api.get("/readyz")
        api.get(f"/api/v1/namespaces/{NAMESPACE}")
        api.get("/api/v1/namespaces/kube-system")
    except KubernetesFailed:
        return False
    return True


def _wait(done: Any, seconds: float = 180) -> None:
    limit = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < limit, "the control plane does not start"
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _kubeconfig(port: int, authority: bytes, client: tuple[bytes, bytes]) -> dict[str, Any]:
    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": text(authority)}
    user = {"client-certificate-data": text(client[0]), "client-key-data": text(client[1])}
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }  # fmt: skip


def _identity(folder: Path) -> tuple[Path, tuple[bytes, bytes]]:
    """Create an authority and the administrator's certificate and key."""
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(3)]
    pems = [
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        for key in keys
    ]
    (folder / "token.key").write_bytes(pems[2])

    def signed(key: rsa.RSAPrivateKey, common: str, group: str) -> bytes:
        def name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
            return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])

        subject = name((x509.NameOID.ORGANIZATION_NAME, group), (x509.NameOID.COMMON_NAME, common))
        now = datetime.datetime.now(datetime.UTC)
        of_authority = common == "authority"
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(
                name((x509.NameOID.ORGANIZATION_NAME, "x"), (x509.NameOID.COMMON_NAME, "authority"))
            )
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=of_authority, path_length=None), critical=True)
        )
        if not of_authority:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
            certificate = certificate.add_extension(usage, critical=False)
        return certificate.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority = folder / "authority.pem"
    authority.write_bytes(signed(keys[0], "authority", "x"))
    return authority, (signed(keys[1], "admin", "system:masters"), pems[1])
