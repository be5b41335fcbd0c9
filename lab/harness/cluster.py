# SPDX-License-Identifier: Apache-2.0
"""The cluster that the ring is about: its nodes, its API, what the stack tells of it."""

import base64
import functools
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lab.harness import controller

# Which one; without it the one that stands.
VARIABLE = "HEATGEN_LAB_CLUSTER"
KNOWN = ("demo", "demo-ha")
STANDING = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
KUBECTL = "/opt/heatgen/bin/kubectl --request-timeout 10s"
# The cluster's DNS, as words of kubectl.
COREDNS = ("deployment/coredns", "-n", "kube-system")


@dataclass(frozen=True, kw_only=True)
class Node:
    """One server of the cluster."""

    name: str
    role: str
    group: str
    address: str
    runtime: str

    def run(self, script: str, check: bool = True, text: bytes | None = None) -> str:
        """Run a shell script on it as root; return what it prints."""
        return controller.on_node(self.name, script, check, text).decode(errors="replace")

    def process(self, service: str) -> int:
        """Return the id of a service's main process; 0 if there is none."""
        return int(self.run(f"systemctl show --property MainPID --value {service}"))


@dataclass(frozen=True)
class Cluster:
    """A stack of `make demo` or `make demo-ha` and what it tells of itself."""

    name: str
    expected: dict[str, Any] = field(repr=False)

    @property
    def directory(self) -> Path:
        """Where the demonstration keeps its files."""
        return controller.STATE / self.name

    @property
    def nodes(self) -> list[Node]:
        """All nodes, by name."""
        facts = sorted(self.expected["nodes"].items())
        keys = ("role", "group", "address", "runtime")
        return [Node(name=name, **{key: str(fact[key]) for key in keys}) for name, fact in facts]

    @property
    def control(self) -> list[Node]:
        """The control plane, the first server first."""
        return [node for node in self.nodes if node.role == "control"]

    @property
    def workers(self) -> list[Node]:
        """The workers, those on containerd first."""
        found = [node for node in self.nodes if node.role == "worker"]
        return sorted(found, key=lambda node: (node.runtime, node.name))

    @functools.cached_property
    def endpoint(self) -> str:
        """The API's URL within the cluster, as kubelets go by; the stack tells that for users."""
        config = yaml.safe_load(self.workers[0].run("cat /etc/kubernetes/kubelet.kubeconfig"))
        return str(config["clusters"][0]["cluster"]["server"])

    @property
    def kubeconfig(self) -> dict[str, Any]:
        """The administrator's kubeconfig as it is now."""
        return dict(yaml.safe_load((self.directory / "kubeconfig").read_text()))

    @property
    def external(self) -> str:
        """The API's URL from outside."""
        return str(self.kubeconfig["clusters"][0]["cluster"]["server"])

    def kubectl(self, *words: str, check: bool = True) -> str:
        """Run kubectl as the administrator, from outside; return what it prints."""
        options = ["--kubeconfig", str(self.directory / "kubeconfig"), "--request-timeout", "15s"]
        answer = controller.inside("kubectl", *options, *words, check=check)
        return answer.decode(errors="replace")

    def get_json(self, *words: str) -> dict[str, Any]:
        """Return the JSON that kubectl prints."""
        return dict(json.loads(self.kubectl(*words, "--output", "json")))

    def resource(self, name: str) -> str:
        """Return the id of what a resource of the stack is in the cloud."""
        words = ["openstack", "stack", "resource", "show", "-f", "value"]
        words += ["-c", "physical_resource_id", self.name, name]
        return controller.inside(*words).decode().strip()


def selected() -> Cluster:
    """Return the cluster that is named, or the one that stands.

    Raises:
        LookupError: there is none, or there are several and none is named.
    """
    named = os.environ.get(VARIABLE)
    standing = [
        name for name in ([named] if named else KNOWN) if controller.stack_status(name) in STANDING
    ]
    if not standing:
        raise LookupError(
            f"no stack {named or ' or '.join(KNOWN)} stands: run `make demo-ha` first"
        )
    if len(standing) > 1:
        raise LookupError(f"{' and '.join(standing)} stand: name one by {VARIABLE}")
    return read(standing[0])


def read(name: str) -> Cluster:
    """Return a cluster as its stack tells of it now."""
    words = ["openstack", "stack", "output", "show", "-f", "json", name, "conformance"]
    value = json.loads(controller.inside(*words))["output_value"]
    return Cluster(name, json.loads(value) if isinstance(value, str) else value)


def on_all(nodes: list[Node], script: str) -> dict[str, str]:
    """Run a script on several nodes side by side; return what each printed, by name."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = pool.map(lambda node: node.run(script), nodes)
        return {node.name: answer for node, answer in zip(nodes, answers, strict=True)}


def write_identity(cluster: Cluster, directory: Path) -> dict[str, str]:
    """Write CA, certificate and key of the administrator as files; return their paths."""
    config = cluster.kubeconfig
    user, host = config["users"][0]["user"], config["clusters"][0]["cluster"]
    wanted = {
        "ca": host["certificate-authority-data"],
        "cert": user["client-certificate-data"],
        "key": user["client-key-data"],
    }
    directory.mkdir(mode=0o700, exist_ok=True)
    paths = {name: directory / f"{name}.pem" for name in wanted}
    for name, path in paths.items():
        path.write_bytes(base64.b64decode(wanted[name]))
    return {name: str(path) for name, path in paths.items()}


def fingerprints(bundle: str) -> list[str]:
    """Return the SHA-256 of each certificate of a bundle, in its order."""
    found = x509.load_pem_x509_certificates(bundle.encode())
    return [certificate.fingerprint(hashes.SHA256()).hex() for certificate in found]
