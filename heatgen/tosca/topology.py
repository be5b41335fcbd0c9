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
# The other sections define types or are documentation.
_READ = frozenset({
    "tosca_definitions_version", "tosca_default_namespace", "template_name", "template_author",
    "template_version", "metadata", "dsl_definitions", "imports", "repositories", "node_types",
    "capability_types", "relationship_types", "data_types", "interface_types", "artifact_types",
    "policy_types", "group_types",
})  # fmt: skip
_SOFTWARE = "software: deploy it to the running cluster"
_VOLUMES = "node volumes are not supported; use Kubernetes volumes"
_SCRIPTS = "only building blocks run scripts on nodes"
_SCALING = "automatic scaling is not supported: change the count"
_ADDRESSES = "heatgen assigns the addresses of nodes"
_OF_TYPES = {
    "tosca.nodes.SoftwareComponent": _SOFTWARE,
    "tosca.nodes.WebApplication": _SOFTWARE,
    "tosca.nodes.Database": _SOFTWARE,
    "tosca.nodes.BlockStorage": _VOLUMES,
    NETWORK: "nodes have one network: a new one, or that of cloud.network and cloud.subnet",
    PORT: "each node has one port",
    FLOATING_IP: "a cluster has one floating IP, for the API",
}
_OF_PARTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("outputs",), "the outputs of the stack are fixed"),
    (("interfaces",), _SCRIPTS),
    (("artifacts",), _SCRIPTS),
    (("requirements",), "the required node was not converted"),
    (("triggers",), _SCALING),
    (("max_instances",), _SCALING),
    (("min_instances",), _SCALING),
    (("increment",), _SCALING),
    (("cooldown",), _SCALING),
    (("start_ip",), _ADDRESSES),
    (("end_ip",), _ADDRESSES),
    (("gateway_ip",), _ADDRESSES),
    (("capabilities", "os"), "set the image with --image"),
    (("capabilities", "host"), "set the flavor with --flavor"),
    (("capabilities", "endpoint"), "configure access to servers with 'access'"),
)
_NO_EQUIVALENT = "cluster.yaml has no equivalent"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node template with plain values: functions resolved, defaults of types filled in."""

    name: str
    types: tuple[str, ...]
    """Its type and the parent types, nearest first."""
    properties: Mapping[str, Any]
    capabilities: Mapping[str, Mapping[str, Any]]
    """Properties of each capability."""
    requirements: tuple[tuple[str, str], ...] = ()
    """Name of each requirement and of the node that meets it."""
    flavor: str = ""
    """Flavor chosen by heat-translator; '' if no size is required or no flavor fits."""
    image: str = ""

    def required(self, capability: str, name: str) -> Any:
        """Return the value of a capability's property, or None."""
        return self.capabilities.get(capability, {}).get(name)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy; ``affinity`` is that of the server group in heat-translator's output, or ''."""

    path: Path
    types: tuple[str, ...]
    properties: Mapping[str, Any]
    targets: tuple[str, ...]
    """Node templates, with groups replaced by their members."""
    affinity: str = ""


@dataclass(frozen=True, kw_only=True)
class Topology:
    """A topology template and its source document."""

    document: Document
    nodes: Mapping[str, Node]
    policies: tuple[Policy, ...]
    inputs: Mapping[str, Any]
    """Value of each input, or None."""
    nested: tuple[str, ...] = ()
    """Imported files that contain topologies."""


@dataclass(frozen=True, order=True)
class Note:
    """A note on the import for the user."""

    line: int
    """Line of the topology, or 0."""
    text: str

    def __str__(self) -> str:
        """Return the note on one line."""
        return (f"line {self.line}: " if self.line else "") + " ".join(self.text.split())


class ImportReport:
    """Records which parts of a topology are converted, and collects notes."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self._used: set[Path] = set()
        self._reasons: dict[Path, str] = {}
        self._notes: list[Note] = []

    def mark_used(self, *path: str | int) -> None:
        """Mark a path, with everything below it, as used."""
        self._used.add(path)

    def skip(self, path: Path, reason: str) -> None:
        """Record why a path is not converted."""
        self._reasons[path] = reason

    def note(self, text: str, path: Path = ()) -> None:
        """Add a note on a path, or on the topology as a whole."""
        self._notes.append(Note(_line(self.topology.document, path) if path else 0, text))

    def close(self) -> tuple[Note, ...]:
        """Return all notes in the order of the file."""
        self._note_inputs()
        for path in self._unused(self.topology.document.data, ()):
            self.note(f"not converted: {shown(path)}: {self._reason(path)}", path)
        for name in self.topology.nested:
            self.note(f"not converted: the topology in the imported file {name}")
        return tuple(sorted(set(self._notes)))

    def _unused(self, value: Any, path: Path) -> Iterator[Path]:
        """Yield unused paths, each as near to the root as nothing below it is used."""
        if path in self._used or value in (None, {}, []):
            return
        if path and (path[-1] == "description" or (len(path) == 1 and path[0] in _READ)):
            return
        if not isinstance(value, dict | list) or not self._split(path):
            yield path
            return
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from self._unused(item, (*path, key))

    def _split(self, path: Path) -> bool:
        """Return whether to report the parts of a path: it is a section, or some are used."""
        section = not path or path == (TOP,) or (len(path) == 2 and path[0] == TOP)
        entry = path[:2] == POLICIES and len(path) == 3
        if path and path[-1] == "properties":
            path = path[:-1]
        return section or entry or any(used[: len(path)] == path for used in self._used)

    def _note_inputs(self) -> None:
        """Add notes on the inputs whose values are used, which become constants."""
        used = {name for path in self._used for name in self._inputs_of(path)}
        for name in sorted(used & self.topology.inputs.keys()):
            self.mark_used(*INPUTS, name)
            value = self.topology.inputs[name]
            self.note(f"fixed: input {name} is {value}: --parameter {name}=VALUE", (*INPUTS, name))

    def _inputs_of(self, path: Path) -> set[str]:
        """Return the input that the source value at a path refers to."""
        value = self.topology.document.data
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return set()  # a default of the type
        name = value.get("get_input") if isinstance(value, dict) else None
        return {str(name)} if name else set()

    def _reason(self, path: Path) -> str:
        """Return why a path was not converted."""
        if path in self._reasons:
            return self._reasons[path]
        for name in self._inputs_of(path):
            if self.topology.inputs.get(name) is None:
                return f"input {name} has no value: --parameter {name}=VALUE"
        if path[:2] == INPUTS:
            return "no converted value uses it"
        node = self.topology.nodes.get(str(path[2])) if path[:2] == NODES and path[2:] else None
        if node is not None and len(path) == 3:
            known = (_OF_TYPES[name] for name in node.types if name in _OF_TYPES)
            return next(known, _NO_EQUIVALENT)
        return next((reason for part, reason in _OF_PARTS if _within(part, path)), _NO_EQUIVALENT)


def shown(path: Path) -> str:
    """Return a path in dotted notation, relative to the topology template."""
    return dotted(path[1:] if path[0] == TOP else path)


def _line(document: Document, path: Path) -> int:
    """Return the line of the key (or value) of a path, else of the nearest existing parent."""
    for length in range(len(path), -1, -1):
        for positions in (document.keys, document.values):
            if path[:length] in positions:
                return positions[path[:length]].line
    return 0


def _within(part: tuple[str, ...], path: Path) -> bool:
    """Return whether a path contains consecutive keys."""
    return any(path[at : at + len(part)] == part for at in range(len(path)))
