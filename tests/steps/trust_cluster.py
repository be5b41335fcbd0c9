# SPDX-License-Identifier: Apache-2.0
"""Simulated cluster for tests of trust: runs the steps like Heat, each server in a sandbox."""

from __future__ import annotations

import copy
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from conformance.facts.expected import node_name

from .conftest import HOT, Input, Result, Sandbox

TRUST = HOT / "trust"
POLICY = "\n".join(
    (
        "etcd/flannel|control,worker|etcd|/CN=flannel|client||root",
        "etcd/peer|control|etcd|/CN=etcd-peer|server,client|DNS:{node},IP:{address}|root",
        "front-proxy/client|control|front-proxy|/CN=front-proxy-client|client||root",
        "kubernetes/apiserver|control|kubernetes|/CN=kube-apiserver|server"
        "|DNS:{node},IP:{address},IP:{external}|root",
        "kubernetes/kubelet|control,worker|kubernetes|/O=system:nodes/CN=system:node:{node}"
        "|server,client|DNS:{node},IP:{address}|root",
    )
)
ADMIN = "/O=heatgen:cluster-admins/CN=admin"


def openssl(*arguments: str, stdin: str = "") -> str:
    """Run openssl and return its output."""
    process = subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, text=True, check=True
    )
    return process.stdout


def admin_request(folder: Path, subject: str = ADMIN, key: str = "admin.key") -> str:
    """Return an administrator's request as heatgen creates it; each named key is created once."""
    file = folder / key
    if not file.exists():
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(file))
    return openssl("req", "-new", "-key", str(file), "-subj", subject)


@dataclass
class Node:
    """A server: its group, index and address in the plan, and its sandbox."""

    server: str
    """Name of the server, as Heat knows it."""
    group: str
    index: str
    address: str
    sandbox: Sandbox
    runs: dict[str, tuple[dict[str, Input], Result]] = field(default_factory=dict)
    """Last inputs and result of each step; like Heat, a step runs again only for other inputs."""

    @property
    def name(self) -> str:
        """Name of the node in Kubernetes."""
        return node_name(self.server, self.group)

    @property
    def role(self) -> str:
        """Role of its group."""
        return "control" if self.group == "control" else "worker"

    def path(self, path: str) -> Path:
        """Return the path of a file of the node."""
        return self.sandbox.file(path)

    def text(self, path: str) -> str:
        """Return the content of a file of the node."""
        return self.path(path).read_text()

    def certificate(self, name: str) -> str:
        """Return an installed certificate, such as ``etcd/peer``."""
        authority, _, file = name.partition("/")
        return self.text(f"/etc/{authority}/pki/{file}.crt")


class Cluster:
    """Servers and the parameters of their stack."""

    def __init__(self, folder: Path, control: int, workers: int, stack: str = "demo") -> None:
        """Create the servers without running steps."""
        self.folder = folder
        self.stack = stack
        self.created = 0
        self.nodes: list[Node] = []
        self.parameters = {
            "ADMIN_DAYS": "7",
            "ADMIN_REQUEST": admin_request(folder),
            "API_EXTERNAL": "203.0.113.9",
            "AUTHORITY_GENERATIONS": "1",
            "CERTIFICATES": POLICY,
            "ROTATION": "1",
        }
        for index in range(control):
            self.add("control", index)
        for index in range(workers):
            self.add("worker", index)

    def copy(self, folder: Path) -> Cluster:
        """Return a copy of the cluster in a new directory."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = copy.copy(self)
        other.folder = folder
        other.parameters = dict(self.parameters)
        other.nodes = [
            replace(
                node,
                sandbox=replace(node.sandbox, folder=folder / node.sandbox.folder.name),
                runs=dict(node.runs),
            )
            for node in self.nodes
        ]
        return other

    @property
    def control(self) -> list[Node]:
        """Control-plane nodes."""
        return [node for node in self.nodes if node.role == "control"]

    def add(self, group: str, index: int) -> Node:
        """Add a server with an empty disk."""
        self.created += 1
        address = f"192.0.2.{(10 if group == 'control' else 100) + index}"
        server = f"{self.stack}-{group}-{index}"
        sandbox = Sandbox(self.folder / f"node{self.created}", host_name(server))
        sandbox.folder.mkdir()
        node = Node(server, group, str(index), address, sandbox)
        self.nodes.append(node)
        self.nodes.sort(key=lambda node: (node.group, node.index))
        return node

    def replace_node(self, node: Node) -> Node:
        """Replace a server by one with an empty disk."""
        self.nodes.remove(node)
        shutil.rmtree(node.sandbox.folder / "system")
        return self.add(node.group, int(node.index))

    def update(self, **parameters: str) -> Result:
        """Run all steps whose inputs have changed; return the result of sign.

        Raises:
            AssertionError: a step failed.
        """
        result = self.sign(**parameters)
        assert result.status == 0, result.problem or result.stderr
        self.on_all(self.install)
        return result

    def sign(self, **parameters: str) -> Result:
        """Run all steps before install whose inputs have changed; return the result of sign."""
        self.parameters |= parameters
        certificates = self.parameters["CERTIFICATES"]
        self.on_all(
            lambda node: succeeded(
                self.step(
                    node,
                    "request",
                    "10-request.sh",
                    CERTIFICATES=certificates,
                    STACK_NAME=self.stack,
                )
            )
        )
        shared = self.file("shared.sh")
        envelopes = self.outputs("request", "envelope")
        if len(self.control) > 1:
            for node in self.control:
                succeeded(
                    self.step(node, "share", "20-share.sh", SHARED=shared, ENVELOPES=envelopes)
                )
        return self.step(
            self.nodes[0],
            "sign",
            "30-sign.sh",
            SHARED=shared,
            AUTHORITIES=self.file("authorities.sh"),
            REQUESTS=self.by_group(lambda node: self.output(node, "request", "requests")),
            ENVELOPES=envelopes,
            SERVICE_ACCOUNTS=self.outputs("request", "service_account"),
            SHARES=self.outputs("share", "sealed") if len(self.control) > 1 else {},
            NAMES=self.names(),
            ADDRESSES=self.addresses(),
            **self.parameters,
        )

    def clear_runs(self) -> None:
        """Make every step run again, as if all inputs had changed."""
        for node in self.nodes:
            node.runs.clear()

    def install(self, node: Node) -> Result:
        """Run install on a server if its inputs have changed."""
        signed = self.nodes[0].runs["sign"][1].outputs
        inputs: dict[str, Input] = {
            "CERTIFICATES": self.parameters["CERTIFICATES"],
            "TRUSTED": signed["authorities"],
            "CERTIFICATES_GENERATION": signed["certificates_generation"],
            f"CERTIFICATES_{node.role.upper()}": signed[f"certificates_{node.role}"],
        }
        if node.role == "control":
            inputs |= {
                "SHARED": self.file("shared.sh"),
                "NAMES": self.names(),
                "ADDRESSES": self.addresses(),
                "SEALED": signed["sealed"],
                "VERSION": signed["version"],
            }
        return succeeded(self.step(node, "install", "40-install.sh", **inputs))

    def on_all(self, action: Callable[[Node], object]) -> None:
        """Call a function for all servers in parallel, as Heat does."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(action, self.nodes))

    def step(self, node: Node, name: str, script: str, **inputs: Input) -> Result:
        """Run a step on a server unless it has succeeded with the same inputs."""
        before = node.runs.get(name)
        if before and before[0] == inputs and before[1].status == 0:
            return before[1]
        resource = f"trust_{name}_control_{node.index}" if node.role == "control" else node.index
        result = node.sandbox.run(
            TRUST / script,
            HEATGEN_ROLE=node.role,
            HEATGEN_GROUP=node.group,
            deploy_resource_name=resource,
            **inputs,
        )
        node.runs[name] = (inputs, result)
        return result

    def output(self, node: Node, step: str, name: str) -> str:
        """Return an output of a step on a server."""
        return node.runs[step][1].outputs[name]

    def outputs(self, step: str, name: str) -> Input:
        """Return an output of a step on all control-plane nodes, by index."""
        return {node.index: self.output(node, step, name) for node in self.control}

    def names(self) -> Input:
        """Return the names of servers by group and index."""
        return self.by_group(lambda node: node.server)

    def addresses(self) -> Input:
        """Return the addresses by group and index."""
        return self.by_group(lambda node: node.address)

    def by_group(self, value: Callable[[Node], str]) -> Input:
        """Return values of servers by group and index, as Heat passes them."""
        groups: dict[str, dict[str, Input]] = {}
        for node in self.nodes:
            groups.setdefault(node.group, {})[node.index] = value(node)
        return groups

    def file(self, name: str) -> str:
        """Return the content of a file of the block."""
        return (TRUST / name).read_text()


def host_name(server: str) -> str:
    """Return the host name that Nova derives from a server's name (``sanitize_hostname``)."""
    return re.sub(r"[^\w-]+", "", re.sub(r"[ _.]", "-", server[:63])).lower().strip("-")


def succeeded(result: Result) -> Result:
    """Return the result of a step; assert that it succeeded."""
    assert result.status == 0, result.problem or result.stderr
    return result


def handshake(client: Node, server: Node, client_pair: str, server_pair: str) -> None:
    """Perform a TLS handshake between two nodes; each trusts the authorities on its own disk.

    Raises:
        ssl.SSLError: a certificate is not trusted.
    """
    authority = server_pair.partition("/")[0]
    client_context = _context(client, authority, client_pair, ssl.PROTOCOL_TLS_CLIENT)
    server_context = _context(server, authority, server_pair, ssl.PROTOCOL_TLS_SERVER)
    server_context.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client_context.wrap_bio(to_client, to_server, server_hostname=server.name),
        server_context.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(3):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


def _context(node: Node, authority: str, pair: str, protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.load_verify_locations(node.path(f"/etc/{authority}/pki/ca.crt"))
    prefix = node.path(f"/etc/{authority}/pki") / pair.partition("/")[2]
    context.load_cert_chain(f"{prefix}.crt", f"{prefix}.key")
    return context
