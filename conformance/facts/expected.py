# SPDX-License-Identifier: Apache-2.0
"""The expected state of the cluster: the stack's ``conformance`` output (``--expect FILE``).

All parts are optional. Without an expectation, checks compare facts of the cluster with each other.
"""

import ast
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.facts.serialization import from_plain

VERSION = 1
MAX_NODE_NAME = 52
"""Characters: a certificate's common name, ``system:node:NAME``, has at most 64."""


@dataclass(frozen=True)
class ExpectedNode:
    """A node that must exist."""

    role: str
    """``control`` or ``worker``."""
    address: str
    """Internal address."""
    group: str = ""
    """The group of servers in cluster.yaml."""
    runtime: str = ""
    """Block of the container runtime; empty: that of the cluster."""
    kubernetes: str = ""
    """Version of the kubelet; empty: that of the cluster."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """The ``conformance`` output, version 1. Empty parts are not compared."""

    cluster: str
    nodes: dict[str, ExpectedNode]
    """By name."""
    versions: dict[str, str]
    """By component."""
    networks: dict[str, str]
    """``nodes``, ``pods`` and ``services`` as CIDR, ``dns`` as address."""
    blocks: dict[str, str]
    """Building block of each layer."""
    etcd: dict[str, Any]
    """``endpoints``; ``ca``, ``certificate`` and ``key`` are paths on the nodes."""
    flannel: dict[str, Any]
    """``backend``, ``prefix``, ``port``, ``vni``."""
    api: dict[str, Any]
    """``endpoint`` and ``servers`` as URL, ``load_balancer``.

    If ``endpoint`` is a floating IP, no node is configured with it.
    """
    taints: dict[str, list[str]]
    """``KEY=VALUE:EFFECT`` by group of nodes."""
    storage: dict[str, str]
    """``default_class``: name of the default StorageClass."""

    def runtime(self, node: str) -> str:
        """Return the block of the node's container runtime; empty if it is not known."""
        named = self.nodes[node].runtime if node in self.nodes else ""
        return named or self.blocks.get("runtime", "")

    def kubernetes(self, node: str) -> str:
        """Return the version of the node's kubelet; empty if it is not known."""
        named = self.nodes[node].kubernetes if node in self.nodes else ""
        return named or self.versions.get("kubernetes", "")

    def api_servers(self) -> list[str]:
        """Return the URL of each API server."""
        return [str(url).rstrip("/") for url in self.api.get("servers", [])]


NOTHING = Expectation(
    cluster="",
    nodes={},
    versions={},
    networks={},
    blocks={},
    etcd={},
    flannel={},
    api={},
    taints={},
    storage={},
)


class ExpectationError(ValueError):
    """A file is not a ``conformance`` output."""


def read(path: Path) -> dict[str, Any]:
    """Return the ``conformance`` output in a file, without the wrapping of the OpenStack client.

    Raises:
        ExpectationError: the file cannot be read or contains something else.
    """
    try:
        plain = unwrap(path.read_text())
    except (OSError, ValueError) as problem:
        raise ExpectationError(f"--expect {path}: {problem}\n{_HOW}") from None
    understand(plain, str(path))
    return plain


def unwrap(value: Any) -> dict[str, Any]:
    """Return the output in text, ``{"output_value": …}`` or ``{"conformance": …}``.

    Raises:
        ValueError: the value contains no output.
    """
    for _ in range(6):
        if isinstance(value, str):
            value = _parsed(value)
        elif isinstance(value, dict) and "output_value" in value:
            value = value["output_value"]
        elif isinstance(value, dict) and "conformance" in value:
            value = value["conformance"]
        elif isinstance(value, dict) and "nodes" in value:
            return value
        else:
            break
    raise ValueError("not the output `conformance` of a stack")


def _parsed(text: str) -> Any:
    """Parse JSON, or the Python literal that ``openstack … -f value`` prints instead."""
    try:
        return json.loads(text)
    except ValueError as problem:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise problem from None


def understand(plain: dict[str, Any] | None, source: str) -> Expectation:
    """Convert plain JSON; ``None`` expects nothing, unknown keys are ignored.

    Raises:
        ExpectationError: a part does not match the schema, or the version is not supported.
    """
    if plain is None:
        return NOTHING
    if plain.get("version", VERSION) != VERSION:
        found = plain["version"]
        raise ExpectationError(
            f"--expect {source}: unsupported version {found!r}; use a file of version {VERSION}"
        )
    empty: dict[str, Any] = {"cluster": ""}
    wanted = {key: plain.get(key, empty.get(key, {})) for key in Expectation.__annotations__}
    wanted["nodes"] = _known(wanted["nodes"])
    try:
        expectation = from_plain(Expectation, wanted)
    except TypeError as problem:
        raise ExpectationError(f"--expect {source}: {problem}\n{_HOW}") from None
    assert isinstance(expectation, Expectation)
    return expectation


def _known(nodes: Any) -> Any:
    """Return nodes by their names, without unknown keys; values of a wrong type are reported later.

    The keys of the output are names of servers.
    """
    if not isinstance(nodes, dict):
        return nodes
    keys = ExpectedNode.__annotations__
    known: dict[str, Any] = {}
    for server, node in nodes.items():
        if isinstance(node, dict):
            name = node_name(server, str(node.get("group", "")))
            known[name] = {key: node[key] for key in keys if key in node}
        else:
            known[server] = node
    return known


def node_name(server: str, group: str) -> str:
    """Return the name in Kubernetes of a server of a stack, as ``name_of`` in ``hot/lib/step.sh``.

    Args:
        server: name of the server: ``STACK-GROUP-INDEX``.
        group: its group; empty if it is not known.
    """
    suffix = f"-{group}-{server.rpartition('-')[2]}"
    if not group or not server.endswith(suffix):
        return server
    stack = server.removesuffix(suffix)
    name = stack.lower().replace("_", "-").replace(".", "-")
    if len(name + suffix) > MAX_NODE_NAME:
        name = f"{name[:23]}-{hashlib.sha256(stack.encode()).hexdigest()[:6]}"
    return name + suffix


_HOW = "  create one with: openstack stack output show -f json STACK conformance"
