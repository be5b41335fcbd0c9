# SPDX-License-Identifier: Apache-2.0
"""What the cluster should be, as the stack's `conformance` output says it (`--expect FILE`).

Everything in it is optional: what is not expected is judged by what the cluster tells of itself.
"""

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.facts.serialization import from_plain

VERSION = 1


@dataclass(frozen=True)
class ExpectedNode:
    """A node that must be there: its role (`control` or `worker`) and its internal address.

    group: of servers that are alike. runtime: the runtime's block; empty means the main one.
    """

    role: str
    address: str
    group: str = ""
    runtime: str = ""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """Shape of the `conformance` output, version 1. Empty parts expect nothing.

    nodes: by name. versions: by component. networks: `nodes`, `pods`, `services` as CIDR, `dns` an
    address. blocks: the layers' building blocks. etcd: `endpoints`, `ca`, `certificate`, `key`
    (paths on the nodes). flannel: `backend`, `prefix`, `port`, `vni`. api: `endpoint` and `servers`
    as URL, `load_balancer`; a floating IP in `endpoint` is for users, and no node has it. taints:
    by group of nodes, `KEY=VALUE:EFFECT`. storage: `default_class`, the name of the StorageClass
    that those get who name none.
    """

    cluster: str
    nodes: dict[str, ExpectedNode]
    versions: dict[str, str]
    networks: dict[str, str]
    blocks: dict[str, str]
    etcd: dict[str, Any]
    flannel: dict[str, Any]
    api: dict[str, Any]
    taints: dict[str, list[str]]
    storage: dict[str, str]

    def runtime(self, node: str) -> str:
        """The block of the node's container runtime; '' if nobody says."""
        named = self.nodes[node].runtime if node in self.nodes else ""
        return named or self.blocks.get("runtime", "")

    def api_servers(self) -> list[str]:
        """URL of each API server."""
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
    """The file is no `conformance` output. The message says what it is and how to make one."""


def read(path: Path) -> dict[str, Any]:
    """The plain `conformance` output in `path`, however the OpenStack client wrapped it.

    Raises:
        ExpectationError: if the file cannot be read or holds something else.
    """
    try:
        plain = unwrap(path.read_text())
    except (OSError, ValueError) as problem:
        raise ExpectationError(f"--expect {path}: {problem}\n{_HOW}") from None
    understand(plain, str(path))
    return plain


def unwrap(value: Any) -> dict[str, Any]:
    """The output itself, out of text, `{"output_value": …}` or `{"conformance": …}`.

    Raises:
        ValueError: if there is none in it.
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
    raise ValueError("this is not a stack's `conformance` output")


def _parsed(text: str) -> Any:
    """JSON, or the Python literal that `openstack … -f value` prints instead."""
    try:
        return json.loads(text)
    except ValueError as problem:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise problem from None


def understand(plain: dict[str, Any] | None, source: str) -> Expectation:
    """Plain JSON as an `Expectation`; `None` expects nothing, unknown keys are ignored.

    Raises:
        ExpectationError: if a part has another shape, or the version is not known.
    """
    if plain is None:
        return NOTHING
    if plain.get("version", VERSION) != VERSION:
        found = plain["version"]
        raise ExpectationError(
            f"--expect {source}: version {found!r}, but this suite reads {VERSION}"
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
    """The nodes without keys of later versions; another shape is left for its own message."""
    if not isinstance(nodes, dict):
        return nodes
    keys = ExpectedNode.__annotations__
    return {
        name: {key: node[key] for key in keys if key in node} if isinstance(node, dict) else node
        for name, node in nodes.items()
    }


_HOW = "  make one with: openstack stack output show -f json STACK conformance"
