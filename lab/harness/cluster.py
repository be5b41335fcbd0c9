# SPDX-License-Identifier: Apache-2.0
"""The cluster under test: nodes, API, outputs of its stack."""

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

from lab import machine
from lab.harness import controller

# Selects a cluster; by default the only one that exists.
VARIABLE = "HEATGEN_LAB_CLUSTER"
KNOWN = (
    *("demo", "demo-ha", "demo-vm", "demo-debian13", "demo-ostree", "demo-systems"),
    *("demo-control-flatcar", "demo-control-fcos"),
)
COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
KUBECTL = "/opt/heatgen/bin/kubectl --request-timeout 10s"
# Arguments of kubectl for the DNS of the cluster.
COREDNS = ("deployment/coredns", "-n", "kube-system")


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of the cluster."""

    name: str
    role: str
    group: str
    address: str
    runtime: str

    def run(self, script: str, check: bool = True, text: bytes | None = None) -> str:
        """Run a shell script on the node as root; return its output."""
        return controller.on_node(self.name, script, check, text).decode(errors="replace")

    def process(self, service: str) -> int:
        """Return the id of the main process of a service; 0 if it is not running."""
        return int(self.run(f"systemctl show --property MainPID --value {service}"))


@dataclass(frozen=True)
class Cluster:
    """The cluster of a demonstration, with the output `conformance` of its stack."""

    name: str
    expected: dict[str, Any] = field(repr=False)

    @property
    def directory(self) -> Path:
        """The directory of the files of the demonstration."""
        return controller.STATE / self.name

    @property
    def nodes(self) -> list[Node]:
        """All nodes, sorted by name."""
        facts = sorted(self.expected["nodes"].items())
        keys = ("role", "group", "address", "runtime")
        return [Node(name=name, **{key: str(fact[key]) for key in keys}) for name, fact in facts]

    @property
    def control(self) -> list[Node]:
        """The control-plane nodes, sorted by name."""
        return [node for node in self.nodes if node.role == "control"]

    @property
    def workers(self) -> list[Node]:
        """The workers, those with containerd first."""
        found = [node for node in self.nodes if node.role == "worker"]
        return sorted(found, key=lambda node: (node.runtime, node.name))

    @property
    def machines(self) -> list[Node]:
        """The workers with their own kernel: groups `vm` and `ostree` of the demonstrations."""
        return [node for node in self.workers if node.group in ("vm", "ostree")]

    @property
    def suite_options(self) -> tuple[str, ...]:
        """Options of the suite: a virtual machine is slow."""
        return machine.SUITE_OPTIONS if self.machines else ()

    @functools.cached_property
    def endpoint(self) -> str:
        """The URL of the API that kubelets use; the output of the stack is the URL for users."""
        config = yaml.safe_load(self.workers[0].run("cat /etc/kubernetes/kubelet.kubeconfig"))
        return str(config["clusters"][0]["cluster"]["server"])

    @property
    def kubeconfig(self) -> dict[str, Any]:
        """The current kubeconfig of the administrator."""
        return dict(yaml.safe_load((self.directory / "kubeconfig").read_text()))

    @property
    def external(self) -> str:
        """The URL of the API for clients outside."""
        return str(self.kubeconfig["clusters"][0]["cluster"]["server"])

    def kubectl(self, *words: str, check: bool = True) -> str:
        """Run kubectl as the administrator, outside the cluster; return its output."""
        options = ["--kubeconfig", str(self.directory / "kubeconfig"), "--request-timeout", "15s"]
        output = controller.inside("kubectl", *options, *words, check=check)
        return output.decode(errors="replace")

    def get_json(self, *words: str) -> dict[str, Any]:
        """Run kubectl; return its output, parsed as JSON."""
        return dict(json.loads(self.kubectl(*words, "--output", "json")))

    def resource(self, name: str) -> str:
        """Return the physical id of a resource of the stack."""
        words = ["openstack", "stack", "resource", "show", "-f", "value"]
        words += ["-c", "physical_resource_id", self.name, name]
        return controller.inside(*words).decode().strip()


def selected() -> Cluster:
    """Return the cluster that the environment selects, or the only one that exists.

    Raises:
        LookupError: no cluster exists, or several exist and none is selected.
    """
    named = os.environ.get(VARIABLE)
    complete = [
        name for name in ([named] if named else KNOWN) if controller.stack_status(name) in COMPLETE
    ]
    if not complete:
        raise LookupError(
            f"stack {named or ' or '.join(KNOWN)} is not complete: run `make demo-ha` first"
        )
    if len(complete) > 1:
        raise LookupError(f"{' and '.join(complete)} exist: select one with {VARIABLE}")
    return read(complete[0])


def read(name: str) -> Cluster:
    """Return a cluster with the current output of its stack."""
    words = ["openstack", "stack", "output", "show", "-f", "json", name, "conformance"]
    value = json.loads(controller.inside(*words))["output_value"]
    return Cluster(name, json.loads(value) if isinstance(value, str) else value)


def on_all(nodes: list[Node], script: str, text: bytes | None = None) -> dict[str, str]:
    """Run a script on several nodes in parallel; return the outputs by node name."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        outputs = pool.map(lambda node: node.run(script, text=text), nodes)
        return {node.name: output for node, output in zip(nodes, outputs, strict=True)}


def write_identity(cluster: Cluster, directory: Path) -> dict[str, str]:
    """Write CA, certificate and key of the administrator to files; return their paths."""
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
    """Return the SHA-256 of each certificate in a bundle, in order."""
    found = x509.load_pem_x509_certificates(bundle.encode())
    return [certificate.fingerprint(hashes.SHA256()).hex() for certificate in found]
