# SPDX-License-Identifier: Apache-2.0
"""A ``cluster.yaml`` of a TOSCA topology. Pure: :mod:`heatgen.tosca.reader` reads the topology.

==============================================  ====================================================
TOSCA                                           cluster.yaml
==============================================  ====================================================
Compute whose name says "control" or "master"   ``control_plane``
other Compute; alike but for a last number      ``workers``, one group
``host``                                        ``flavor``, as heat-translator chooses
``os.distribution``                             ``os.use``, if there is such a block
``scalable``, or a policy of Scaling            ``count``
``key_name``, ``availability_zone``             ``access.ssh_key``, ``availability_zone``
Network with ``cidr``                           ``cloud.nodes``
``floating_network`` of a FloatingIP            ``cloud.external_network``
a policy of Placement                           ``server_group``
==============================================  ====================================================
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from heatgen.blocks.catalog import Catalog
from heatgen.layers import CONTROL
from heatgen.spec.model import CONTROL_COUNTS
from heatgen.spec.reader import read_spec
from heatgen.tosca.topology import (
    COMPUTE,
    FLOATING_IP,
    NETWORK,
    NODES,
    PORT,
    SCALING,
    ImportReport,
    Node,
    Note,
    Policy,
    Topology,
    shown,
)
from heatgen.yamlio import document, schema, writer
from heatgen.yamlio.problems import Problem, ProblemsFound, did_you_mean

SIZES = ("num_cpus", "mem_size", "disk_size")
MAX_SERVERS = 1000
"""Of a group: the schema's own limit."""
_CONTROL_NAME = re.compile(r"control|master", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"[-_.]?[0-9]+\Z")


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What a topology does not say; '' for what is usual."""

    name: str = ""
    external_network: str = ""
    image: str = ""
    """Of servers that name none."""
    flavor: str = ""
    """Of servers that ask for no size."""
    control: tuple[str, ...] = ()
    """Node templates of the control plane; none: by their names."""


USUAL = ImportOptions(external_network="public", image="debian-12", flavor="m1.medium")


@dataclass(frozen=True)
class Imported:
    """What an import gave: a ``cluster.yaml`` with the notes as comments in front."""

    text: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """Servers that are alike; '' where they ask for nothing."""

    names: tuple[str, ...]
    count: int
    flavor: str
    image: str
    zone: str
    affinity: str

    @property
    def stem(self) -> str:
        return _LAST_NUMBER.sub("", self.names[0]) or self.names[0]

    def likes(self, other: "_Kind") -> bool:
        """Whether both may be one group of workers."""
        mine, yours = (replace(kind, names=(), count=0) for kind in (self, other))
        return mine == yours and self.stem == other.stem


def convert(
    topology: Topology, options: ImportOptions, catalog: Catalog, cluster_schema: schema.Schema
) -> Imported:
    """The ``cluster.yaml`` of a topology.

    Args:
        topology: what was read.
        options: what it does not say.
        catalog: the blocks, for the operating systems that there are.
        cluster_schema: of ``cluster.yaml``, for the keys that there are.

    Raises:
        ProblemsFound: it holds no server, or one that no flavor fits; options that do not fit.
    """
    servers = [node for node in topology.nodes.values() if COMPUTE in node.types]
    _refuse(topology, servers, options)
    report = ImportReport(topology)
    kinds = {node.name: _kind(report, node) for node in servers}
    by_name = [name for name in kinds if _CONTROL_NAME.search(name)]
    control = list(options.control) or by_name
    data: dict[str, Any] = {"name": options.name or _cluster_name(topology)}
    data["cloud"] = _cloud(report, list(kinds.values()), options)
    data |= _control_plane(report, [kinds[name] for name in control], data["cloud"])
    data |= _workers(report, [kinds[name] for name in kinds if name not in control], data["cloud"])
    data |= _system(report, servers, catalog)
    data |= _access(report, servers)
    data["cloud"] |= _nodes_network(report, data, catalog, cluster_schema)
    wrong = _problem(data, catalog, cluster_schema)
    if wrong:
        raise ProblemsFound([Problem(topology.document.name, None, f"makes no cluster: {wrong}")])
    notes = report.close()
    return Imported(_text(topology.document.name, data, notes), notes)


def _refuse(topology: Topology, servers: list[Node], options: ImportOptions) -> None:
    """Raise for what makes no cluster."""
    whole = topology.document
    problems = []
    if not servers:
        found = sorted({node.types[0] for node in topology.nodes.values()})
        message = f"holds no {COMPUTE}" + (f", only {', '.join(found)}" if found else "")
        hint = "heatgen makes clusters of servers"
        problems.append(whole.problem(NODES, message, hint, key=True))
    for node in servers:
        asked = [f"{name} {value}" for name, value in _asked(node).items()]
        if asked and not node.flavor:
            hint = "name the cloud's own: 'openstack flavor list -f json > FILE', --flavors FILE"
            path = (*NODES, node.name, "capabilities", "host")
            problems.append(
                whole.problem(path, f"no flavor has {', '.join(asked)}", hint, key=True)
            )
    names = [node.name for node in servers]
    for name in options.control if names else ():
        if name not in names:
            hint = did_you_mean(name, names)
            problems.append(Problem(whole.name, None, f"there is no {COMPUTE} {name!r}", hint))
    if problems:
        raise ProblemsFound(problems, {whole.name: whole.text})


def _asked(node: Node) -> dict[str, Any]:
    """The sizes that a server asks for."""
    sizes = {name: node.asks("host", name) for name in SIZES}
    return {name: value for name, value in sizes.items() if value is not None}


def _kind(report: ImportReport, node: Node) -> _Kind:
    """What a server asks for."""
    path = (*NODES, node.name)
    report.take(*path, "type")
    if node.types[0] != COMPUTE:
        text = (
            f"changed: {shown(path)}: {node.types[0]} is read as {COMPUTE}, which it derives from"
        )
        report.note(text, path)
    for name in ("flavor", "image"):
        if node.properties.get(name):
            report.take(*path, "properties", name)
    asked = _asked(node)
    if asked and not node.properties.get("flavor"):
        text = ", ".join(f"{name} {value}" for name, value in asked.items())
        report.note(f"chosen: {shown(path)}: flavor {node.flavor} for {text}", path)
        for name in asked:
            report.take(*path, "capabilities", "host", "properties", name)
    zone = node.properties.get("availability_zone")
    zone = zone if isinstance(zone, str) else ""
    if zone:
        report.take(*path, "properties", "availability_zone")
    affinity = _affinity(report, node)
    return _Kind(
        names=(node.name,),
        count=_count(report, node),
        flavor=node.flavor,
        image=node.image,
        zone=zone,
        affinity=affinity,
    )


def _affinity(report: ImportReport, node: Node) -> str:
    """Of the first placement policy that speaks of a server."""
    for policy in report.topology.policies:
        if policy.affinity and node.name in policy.targets:
            _take_policy(report, policy, "policy", "strict")
            return policy.affinity
    return ""


def _count(report: ImportReport, node: Node) -> int:
    """How many servers a template stands for: as a policy says, as itself says, or one."""
    for policy in report.topology.policies:
        count, name = _instances(policy.properties)
        if SCALING in policy.types and node.name in policy.targets and name:
            _take_policy(report, policy, name)
            return count
    count, name = _instances(node.capabilities.get("scalable", {}))
    if name:
        report.take(*NODES, node.name, "capabilities", "scalable", "properties", name)
    return count


def _instances(properties: Mapping[str, Any]) -> tuple[int, str]:
    """The number at the start, and the property that says it."""
    for name in ("default_instances", "min_instances"):
        count = properties.get(name)
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MAX_SERVERS:
            return count, name
    return 1, ""


def _take_policy(report: ImportReport, policy: Policy, *names: str) -> None:
    """Tick off what a policy said; its targets if servers are all it has."""
    for name in names:
        report.take(*policy.path, "properties", name)
    report.take(*policy.path, "type")
    nodes = report.topology.nodes
    if all(name in nodes and COMPUTE in nodes[name].types for name in policy.targets):
        report.take(*policy.path, "targets")
        report.take(*policy.path, "properties", "targets")


def _cluster_name(topology: Topology) -> str:
    """The template's own name, or the file's."""
    data = topology.document.data
    metadata = data.get("metadata")
    named = data.get("template_name") or (
        metadata.get("template_name") if isinstance(metadata, dict) else None
    )
    stem = topology.document.name.rpartition("/")[2].rpartition(".")[0]
    return _word(str(named or stem), 30, "cluster")


def _word(text: str, length: int, otherwise: str) -> str:
    """Text as a name that clusters and groups may have."""
    word = re.sub(r"[^a-z0-9]+", "-", text.lower()).lstrip("-0123456789")
    return word[:length].rstrip("-") or otherwise


def _cloud(report: ImportReport, kinds: list[_Kind], options: ImportOptions) -> dict[str, Any]:
    """What is the same for all nodes; what nobody says is assumed, and that is told."""
    images = [kind.image for kind in kinds]
    flavors = [kind.flavor for kind in kinds if kind.flavor]
    found = {
        "external_network": options.external_network or _floating_network(report),
        "image": options.image or (images[0] if all(images) else ""),
        "flavor": options.flavor or (flavors[0] if flavors else ""),
    }
    for key, value in found.items():
        if not value:
            found[key] = getattr(USUAL, key)
            option = key.replace("_", "-")
            report.note(f"assumed: cloud.{key} is {found[key]}: --{option} says otherwise")
    return dict(found)


def _floating_network(report: ImportReport) -> str:
    for node in report.topology.nodes.values():
        network = node.properties.get("floating_network")
        if FLOATING_IP in node.types and isinstance(network, str) and network:
            path = (*NODES, node.name)
            report.take(*path, "type")
            report.take(*path, "requirements")
            report.take(*path, "properties", "floating_network")
            return network
    return ""


def _control_plane(
    report: ImportReport, kinds: list[_Kind], cloud: Mapping[str, Any]
) -> dict[str, Any]:
    """``control_plane``; nothing if no server is meant for it."""
    if not kinds:
        reason = "no server is named like a control plane"
        report.note(f"assumed: one server more as control plane: {reason}: --control NAME")
        return {}
    first, wanted = kinds[0], sum(kind.count for kind in kinds)
    count = next((odd for odd in CONTROL_COUNTS if odd >= wanted), CONTROL_COUNTS[-1])
    if count != wanted:
        text = f"changed: {wanted} control-plane servers become {count}: etcd wants 1, 3 or 5"
        report.note(text, (*NODES, first.names[0]))
    for kind in kinds[1:]:
        if replace(kind, names=(), count=0, zone="") != replace(first, names=(), count=0, zone=""):
            text = f"changed: {kind.names[0]} is like {first.names[0]}: a control plane is alike"
            report.note(text, (*NODES, kind.names[0]))
    part: dict[str, Any] = {"count": count} | _apart(first, cloud)
    zones = list(dict.fromkeys(kind.zone for kind in kinds if kind.zone))
    if zones:
        part["availability_zones"] = zones
    return {"control_plane": part}


def _workers(report: ImportReport, kinds: list[_Kind], cloud: Mapping[str, Any]) -> dict[str, Any]:
    """``workers``: a mapping for one group, else a list."""
    merged: list[_Kind] = []
    for kind in kinds:
        same = next((index for index, known in enumerate(merged) if known.likes(kind)), None)
        if same is None:
            merged.append(kind)
        else:
            known = merged[same]
            merged[same] = replace(
                known, names=(*known.names, *kind.names), count=known.count + kind.count
            )
    groups: list[dict[str, Any]] = []
    for kind in merged:
        taken = {CONTROL, *(str(group["name"]) for group in groups)}
        if kind.count > MAX_SERVERS:
            text = f"changed: {kind.count} workers become {MAX_SERVERS}, the most of a group"
            report.note(text, (*NODES, kind.names[0]))
        group: dict[str, Any] = {"name": _fresh(_word(kind.stem, 16, "worker"), taken)}
        group |= {"count": min(kind.count, MAX_SERVERS)} | _apart(kind, cloud)
        groups.append(group | ({"availability_zone": kind.zone} if kind.zone else {}))
    if not groups:
        report.note("assumed: no workers: all servers are of the control plane")
        return {"workers": {"count": 0}}
    if len(groups) == 1:
        groups[0].pop("name")
        return {"workers": groups[0]}
    return {"workers": groups}


def _fresh(word: str, taken: set[str]) -> str:
    """A name like a word that nobody has."""
    numbered = (f"{word[:12]}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (word, *numbered) if name not in taken)


def _apart(kind: _Kind, cloud: Mapping[str, Any]) -> dict[str, Any]:
    """Flavor and image, if they are not the cloud's, and the server group."""
    wanted = {"flavor": kind.flavor, "image": kind.image, "server_group": kind.affinity}
    return {key: value for key, value in wanted.items() if value and value != cloud.get(key)}


def _system(report: ImportReport, servers: list[Node], catalog: Catalog) -> dict[str, Any]:
    """``os``, if all servers ask for the same one and there is a block of its name."""
    wanted = sorted({str(node.asks("os", "distribution") or "").lower() for node in servers})
    known = catalog.names("os")
    part = ("capabilities", "os")
    if len(wanted) == 1 and wanted[0] in known:
        for node in servers:
            report.take(*NODES, node.name, *part, "properties", "distribution")
        return {"os": {"use": wanted[0]}}
    reason = f"there are blocks for {', '.join(known)}, one for all nodes; the image is --image's"
    for node in servers:
        report.refuse((*NODES, node.name, *part), reason)
    return {}


def _access(report: ImportReport, servers: list[Node]) -> dict[str, Any]:
    """``access``: the first key pair that a server names."""
    key = ""
    for node in servers:
        name = node.properties.get("key_name")
        if isinstance(name, str) and name and key in {"", name}:
            key = name
            report.take(*NODES, node.name, "properties", "key_name")
    return {"access": {"ssh_key": key}} if key else {}


def _nodes_network(
    report: ImportReport, data: dict[str, Any], catalog: Catalog, cluster_schema: schema.Schema
) -> dict[str, Any]:
    """``cloud.nodes``: of the networks that servers have ports on, the first that will do."""
    nodes = report.topology.nodes
    chosen = ""
    for port in sorted((node for node in nodes.values() if PORT in node.types), key=_order):
        needs = dict(port.requirements)
        server, network = nodes.get(needs.get("binding", "")), nodes.get(needs.get("link", ""))
        if server is None or network is None or COMPUTE not in server.types:
            continue
        path = (*NODES, network.name, "properties", "cidr")
        cidr = network.properties.get("cidr")
        if NETWORK in network.types and cidr and not chosen:
            cloud = {**data["cloud"], "nodes": str(cidr)}
            problem = _problem({**data, "cloud": cloud}, catalog, cluster_schema)
            if problem:
                report.refuse(path, problem)
            else:
                chosen = network.name
                report.take(*path)
                report.take(*path[:-1], "ip_version")
                report.take(*NODES, chosen, "type")
        if network.name == chosen:
            report.take(*NODES, port.name, "type")
            report.take(*NODES, port.name, "requirements")
    return {"nodes": str(nodes[chosen].properties["cidr"])} if chosen else {}


def _order(port: Node) -> int:
    order = port.properties.get("order")
    return order if isinstance(order, int) else 0


def _problem(data: dict[str, Any], catalog: Catalog, cluster_schema: schema.Schema) -> str:
    """The first thing that is wrong with these values as a ``cluster.yaml``."""
    try:
        text = writer.dump(data).encode()
        read_spec(document.parse("cluster.yaml", text), catalog, cluster_schema)
    except ProblemsFound as found:
        return found.problems[0].message
    return ""


def _text(name: str, data: dict[str, Any], notes: tuple[Note, ...]) -> str:
    """The file: what is to be said as comments, then the values."""
    lines = [f"# From {name.rpartition('/')[2]}, by heatgen import."]
    lines += [f"# {note}" for note in notes]
    return "\n".join(lines) + "\n" + writer.dump(data)
