# SPDX-License-Identifier: Apache-2.0
"""A TOSCA topology as plain values, and the report of which parts of it were converted.

:mod:`heatgen.tosca.reader` reads the file, :mod:`heatgen.tosca.convert` converts it to a
``cluster.yaml``. Parts that are used are marked in the topology as it was written; all others are
reported by path, so that nothing is dropped silently.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.yamlio.document import Document, Path, dotted

COMPUTE = "tosca.nodes.Compute"
NETWORK = "tosca.nodes.network.Network"
PORT = "tosca.nodes.network.Port"
FLOATING_IP = "tosca.nodes.network.FloatingIP"
PLACEMENT = "tosca.policies.Placement"
SCALING = "tosca.policies.Scaling"

TOP = "topology_template"
NODES = (TOP, "node_templates")
POLICIES = (TOP, "policies")
INPUTS = (TOP, "inputs")
# The rest of the file serves to read the topology, or speaks to people.
_READ = frozenset({
    "tosca_definitions_version", "tosca_default_namespace", "template_name", "template_author",
    "template_version", "metadata", "dsl_definitions", "imports", "repositories", "node_types",
    "capability_types", "relationship_types", "data_types", "interface_types", "artifact_types",
    "policy_types", "group_types",
})  # fmt: skip
_SOFTWARE = "software: deploy it on the cluster once that runs"
_VOLUMES = "nodes have no such volumes; pods get theirs from Kubernetes"
_SCRIPTS = "on the nodes only building blocks run scripts"
_SCALING = "a cluster does not scale by itself: change the count"
_ADDRESSES = "heatgen plans the addresses of the nodes"
_OF_TYPES = {
    "tosca.nodes.SoftwareComponent": _SOFTWARE,
    "tosca.nodes.WebApplication": _SOFTWARE,
    "tosca.nodes.Database": _SOFTWARE,
    "tosca.nodes.BlockStorage": _VOLUMES,
    NETWORK: "the nodes have one network: a new one, or what cloud.network and cloud.subnet name",
    PORT: "the nodes have one port each",
    FLOATING_IP: "the cluster has one, the API's",
}
_OF_PARTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("outputs",), "the stack has outputs of its own"),
    (("interfaces",), _SCRIPTS),
    (("artifacts",), _SCRIPTS),
    (("requirements",), "what it needs did not come along"),
    (("triggers",), _SCALING),
    (("max_instances",), _SCALING),
    (("min_instances",), _SCALING),
    (("increment",), _SCALING),
    (("cooldown",), _SCALING),
    (("start_ip",), _ADDRESSES),
    (("end_ip",), _ADDRESSES),
    (("gateway_ip",), _ADDRESSES),
    (("capabilities", "os"), "the image is --image's"),
    (("capabilities", "host"), "the flavor says it: --flavor"),
    (("capabilities", "endpoint"), "servers are reached as 'access' says"),
)
_NOTHING_LIKE_IT = "cluster.yaml has nothing like it"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node template, its values plain: functions are resolved, defaults of types filled in."""

    name: str
    types: tuple[str, ...]
    """Its type and those that it derives from, the nearest first."""
    properties: Mapping[str, Any]
    capabilities: Mapping[str, Mapping[str, Any]]
    """Properties of each capability."""
    requirements: tuple[tuple[str, str], ...] = ()
    """Name of the requirement, name of the node that meets it."""
    flavor: str = ""
    """That heat-translator chose; '' if nothing was asked for, or nothing fits."""
    image: str = ""

    def asks(self, capability: str, name: str) -> Any:
        """The value of a capability's property; None if it has none."""
        return self.capabilities.get(capability, {}).get(name)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy; ``affinity`` is the server group's that heat-translator makes of it, else ''."""

    path: Path
    types: tuple[str, ...]
    properties: Mapping[str, Any]
    targets: tuple[str, ...]
    """Node templates; of groups, the members."""
    affinity: str = ""


@dataclass(frozen=True, kw_only=True)
class Topology:
    """A topology template and the document that it stands in."""

    document: Document
    nodes: Mapping[str, Node]
    policies: tuple[Policy, ...]
    inputs: Mapping[str, Any]
    """The value of each; None if it has none."""
    elsewhere: tuple[str, ...] = ()
    """Imported files with topologies of their own."""


@dataclass(frozen=True, order=True)
class Note:
    """One thing that a user should know of the import."""

    line: int
    """In the topology; 0 for none."""
    text: str

    def __str__(self) -> str:
        """In one line."""
        return (f"line {self.line}: " if self.line else "") + " ".join(self.text.split())


class ImportReport:
    """What of a topology came along, and what is to be said."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._taken: set[Path] = set()
        self._reasons: dict[Path, str] = {}
        self._notes: list[Note] = []

    def take(self, *path: str | int) -> None:
        """Tick off a path with all below it."""
        self._taken.add(path)

    def refuse(self, path: Path, reason: str) -> None:
        """Remember why a path is left."""
        self._reasons[path] = reason

    def note(self, text: str, path: Path = ()) -> None:
        """Say something of a path, or (without one) of what the topology lacks."""
        place = self.topology.document.problem(path, "", key=True).position if path else None
        self._notes.append(Note(place.line if place else 0, text))

    def close(self) -> tuple[Note, ...]:
        """All there is to say, in the order of the file."""
        self._fix_inputs()
        for path in self._left(self.topology.document.data, ()):
            self.note(f"not carried over: {shown(path)}: {self._reason(path)}", path)
        for name in self.topology.elsewhere:
            self.note(f"not carried over: the topology in {name}, which the file imports")
        return tuple(sorted(set(self._notes)))

    def _left(self, value: Any, path: Path) -> Iterator[Path]:
        """Paths that did not come along, each as far up as nothing below it did."""
        if path in self._taken or value in (None, {}, []):
            return
        if path and (path[-1] == "description" or (len(path) == 1 and path[0] in _READ)):
            return
        if not isinstance(value, dict | list) or not self._divided(path):
            yield path
            return
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from self._left(item, (*path, key))

    def _divided(self, path: Path) -> bool:
        """Whether the parts of a path are told one by one: it is a section, or some came along."""
        section = not path or path == (TOP,) or (len(path) == 2 and path[0] == TOP)
        entry = path[:2] == POLICIES and len(path) == 3
        if path and path[-1] == "properties":
            path = path[:-1]
        return section or entry or any(taken[: len(path)] == path for taken in self._taken)

    def _fix_inputs(self) -> None:
        """Inputs that values came from are fixed now."""
        used = {name for path in self._taken for name in self._inputs_of(path)}
        for name in sorted(used & self.topology.inputs.keys()):
            self.take(*INPUTS, name)
            value = self.topology.inputs[name]
            self.note(f"fixed: input {name} is {value}: --parameter {name}=VALUE", (*INPUTS, name))

    def _inputs_of(self, path: Path) -> set[str]:
        """The input that what was written at a path names."""
        value = self.topology.document.data
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return set()  # it came from a type's defaults
        named = value.get("get_input") if isinstance(value, dict) else None
        return {str(named)} if named else set()

    def _reason(self, path: Path) -> str:
        """Why a path did not come along."""
        if path in self._reasons:
            return self._reasons[path]
        for name in self._inputs_of(path):
            if self.topology.inputs.get(name) is None:
                return f"input {name} has no value: --parameter {name}=VALUE"
        if path[:2] == INPUTS:
            return "nothing that was carried over uses it"
        node = self.topology.nodes.get(str(path[2])) if path[:2] == NODES and path[2:] else None
        if node is not None and len(path) == 3:
            known = (_OF_TYPES[name] for name in node.types if name in _OF_TYPES)
            return next(known, _NOTHING_LIKE_IT)
        return next((reason for part, reason in _OF_PARTS if _within(part, path)), _NOTHING_LIKE_IT)


def shown(path: Path) -> str:
    """A path as people write it, from the topology template on."""
    return dotted(path[1:] if path[0] == TOP else path)


def _within(part: tuple[str, ...], path: Path) -> bool:
    """Whether keys stand one after the other in a path."""
    return any(path[at : at + len(part)] == part for at in range(len(path)))
