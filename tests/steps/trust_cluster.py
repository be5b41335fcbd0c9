# SPDX-License-Identifier: Apache-2.0
"""The trust of a whole cluster, step by step as Heat runs it, each server in its sandbox."""

from __future__ import annotations

import copy
import shutil
import ssl
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from .conftest import HOT, Input, Ran, Sandbox

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
    """Run openssl and return what it prints."""
    done = subprocess.run(
        ["openssl", *arguments], input=stdin, capture_output=True, text=True, check=True
    )
    return done.stdout


def admin_request(folder: Path, subject: str = ADMIN, key: str = "admin.key") -> str:
    """A request as heatgen makes it for the administrator; a key of a name is made once."""
    file = folder / key
    if not file.exists():
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(file))
    return openssl("req", "-new", "-key", str(file), "-subj", subject)


@dataclass
class Node:
    """A server: where it stands in the plan, and its sandbox."""

    group: str
    index: str
    address: str
    sandbox: Sandbox
    ran: dict[str, tuple[dict[str, Input], Ran]] = field(default_factory=dict)
    """For each step its last inputs and what it did: Heat runs it again only for other inputs."""

    @property
    def name(self) -> str:
        """The server's name."""
        return self.sandbox.name

    @property
    def role(self) -> str:
        """The role of its group."""
        return "control" if self.group == "control" else "worker"

    def path(self, path: str) -> Path:
        """A file of the node."""
        return self.sandbox.file(path)

    def text(self, path: str) -> str:
        """A file's text."""
        return self.path(path).read_text()

    def certificate(self, name: str) -> str:
        """An installed certificate, such as ``etcd/peer``."""
        authority, _, file = name.partition("/")
        return self.text(f"/etc/{authority}/pki/{file}.crt")


class Cluster:
    """Servers and the parameters of their stack."""

    def __init__(self, folder: Path, control: int, workers: int) -> None:
        """Plan the servers; nothing is run yet."""
        self.folder = folder
        self.made = 0
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
        """The same cluster once more, in a folder that is not there yet."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = copy.copy(self)
        other.folder = folder
        other.parameters = dict(self.parameters)
        other.nodes = [
            replace(
                node,
                sandbox=replace(node.sandbox, folder=folder / node.sandbox.folder.name),
                ran=dict(node.ran),
            )
            for node in self.nodes
        ]
        return other

    @property
    def control(self) -> list[Node]:
        """The control-plane servers."""
        return [node for node in self.nodes if node.role == "control"]

    def add(self, group: str, index: int) -> Node:
        """A new server with nothing on its disk."""
        self.made += 1
        address = f"192.0.2.{(10 if group == 'control' else 100) + index}"
        sandbox = Sandbox(self.folder / f"node{self.made}", f"demo-{group}-{index}")
        sandbox.folder.mkdir()
        node = Node(group, str(index), address, sandbox)
        self.nodes.append(node)
        self.nodes.sort(key=lambda node: (node.group, node.index))
        return node

    def lose(self, node: Node) -> Node:
        """Lose a server with all that it had, and put another in its place."""
        self.nodes.remove(node)
        shutil.rmtree(node.sandbox.folder / "system")
        return self.add(node.group, int(node.index))

    def update(self, **parameters: str) -> Ran:
        """Run all steps whose inputs have changed; return what sign did.

        Raises:
            AssertionError: a step other than sign failed.
        """
        ran = self.sign(**parameters)
        assert ran.status == 0, ran.problem or ran.stderr
        self.everywhere(self.install)
        return ran

    def sign(self, **parameters: str) -> Ran:
        """Run all steps before install whose inputs have changed; return what sign did."""
        self.parameters |= parameters
        certificates = self.parameters["CERTIFICATES"]
        self.everywhere(
            lambda node: done(
                self.step(node, "request", "10-request.sh", CERTIFICATES=certificates)
            )
        )
        shared = self.file("shared.sh")
        envelopes = self.outputs("request", "envelope")
        if len(self.control) > 1:
            for node in self.control:
                done(self.step(node, "share", "20-share.sh", SHARED=shared, ENVELOPES=envelopes))
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

    def forget(self) -> None:
        """Let every step run again, as if all inputs had changed."""
        for node in self.nodes:
            node.ran.clear()

    def install(self, node: Node) -> Ran:
        """Run install on one server, if its inputs have changed."""
        signed = self.nodes[0].ran["sign"][1].outputs
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
        return done(self.step(node, "install", "40-install.sh", **inputs))

    def everywhere(self, action: Callable[[Node], object]) -> None:
        """Do something on all servers, side by side as Heat does."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(action, self.nodes))

    def step(self, node: Node, name: str, script: str, **inputs: Input) -> Ran:
        """Run a step on a server unless it ran well with these very inputs before."""
        before = node.ran.get(name)
        if before and before[0] == inputs and before[1].status == 0:
            return before[1]
        ran = node.sandbox.run(TRUST / script, HEATGEN_ROLE=node.role, **inputs)
        node.ran[name] = (inputs, ran)
        return ran

    def output(self, node: Node, step: str, name: str) -> str:
        """An output of a step on a server."""
        return node.ran[step][1].outputs[name]

    def outputs(self, step: str, name: str) -> Input:
        """An output of a step on all control-plane servers, by index."""
        return {node.index: self.output(node, step, name) for node in self.control}

    def names(self) -> Input:
        """Names by group and index."""
        return self.by_group(lambda node: node.name)

    def addresses(self) -> Input:
        """Addresses by group and index."""
        return self.by_group(lambda node: node.address)

    def by_group(self, value: Callable[[Node], str]) -> Input:
        """Values of servers as Heat gives them: by group, then by index."""
        groups: dict[str, dict[str, Input]] = {}
        for node in self.nodes:
            groups.setdefault(node.group, {})[node.index] = value(node)
        return groups

    def file(self, name: str) -> str:
        """A file of the block."""
        return (TRUST / name).read_text()


def done(ran: Ran) -> Ran:
    """What a step did, if it ended well."""
    assert ran.status == 0, ran.problem or ran.stderr
    return ran


def handshake(client: Node, server: Node, client_pair: str, server_pair: str) -> None:
    """Let one node's client certificate meet another's server certificate, each with its own CA.

    Raises:
        ssl.SSLError: one does not trust the other.
    """
    authority = server_pair.partition("/")[0]
    inside = _context(client, authority, client_pair, ssl.PROTOCOL_TLS_CLIENT)
    outside = _context(server, authority, server_pair, ssl.PROTOCOL_TLS_SERVER)
    outside.verify_mode = ssl.CERT_REQUIRED
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        inside.wrap_bio(to_client, to_server, server_hostname=server.name),
        outside.wrap_bio(to_server, to_client, server_side=True),
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
    place = node.path(f"/etc/{authority}/pki") / pair.partition("/")[2]
    context.load_cert_chain(f"{place}.crt", f"{place}.key")
    return context
