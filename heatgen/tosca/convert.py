# SPDX-License-Identifier: Apache-2.0
"""Conversion of a TOSCA topology to a ``cluster.yaml``.

Pure: :mod:`heatgen.tosca.reader` reads the topology.

==============================================  ====================================================
TOSCA                                           cluster.yaml
==============================================  ====================================================
Compute named like "control" or "master"        ``control_plane``
other Compute, equal except a trailing number   one group of ``workers``
``host``                                        ``flavor``, chosen by heat-translator
``os.distribution``                             ``os.use``, if a block of this name exists
``scalable``, or a Scaling policy               ``count``
``key_name``, ``availability_zone``             ``access.ssh_key``, ``availability_zone``
Network with ``cidr``                           ``cloud.nodes``
``floating_network`` of a FloatingIP            ``cloud.external_network``
Placement policy                                ``server_group``
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
from heatgen.yamlio.codes import Code
from heatgen.yamlio.problems import Problem, ProblemsFound, did_you_mean

SIZES = ("num_cpus", "mem_size", "disk_size")
MAX_SERVERS = 1000
"""Limit of a group's size in the schema of ``cluster.yaml``."""
_CONTROL_NAME = re.compile(r"control|master", re.IGNORECASE)
_LAST_NUMBER = re.compile(r"[-_.]?[0-9]+\Z")


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """Values that a topology does not define; '' for the default."""

    name: str = ""
    external_network: str = ""
    image: str = ""
    """Image of servers without one."""
    flavor: str = ""
    """Flavor of servers without required sizes."""
    control: tuple[str, ...] = ()
    """Node templates of the control plane; empty: selected by name."""


DEFAULTS = ImportOptions(external_network="public", image="debian-12", flavor="m1.medium")
IMAGES = {"fedora-coreos": "fedora-coreos", "flatcar": "flatcar", "ubuntu": "ubuntu-24.04"}
"""Default images of other operating systems than Debian."""


@dataclass(frozen=True)
class Imported:
    """Result of an import: a ``cluster.yaml`` that begins with the notes as comments."""

    text: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, kw_only=True)
class _ServerGroup:
    """Servers with equal properties; '' for a property that is not set."""

    names: tuple[str, ...]
    count: int
    flavor: str
    image: str
    zone: str
    affinity: str

    @property
    def stem(self) -> str:
        return _LAST_NUMBER.sub("", self.names[0]) or self.names[0]

    def matches(self, other: "_ServerGroup") -> bool:
        """Return whether both can be one group of workers."""
        return self.stem == other.stem and _equal(self, other)


def _equal(first: _ServerGroup, second: _ServerGroup) -> bool:
    """Return whether the properties of two groups are equal, apart from names and counts."""
    return replace(first, names=(), count=0) == replace(second, names=(), count=0)


def convert(
    topology: Topology, options: ImportOptions, catalog: Catalog, cluster_schema: schema.Schema
) -> Imported:
    """Return the ``cluster.yaml`` of a topology.

    Args:
        topology: the topology.
        options: values that it does not define.
        catalog: the blocks, which include the supported operating systems.
        cluster_schema: schema of ``cluster.yaml``.

    Raises:
        ProblemsFound: the topology contains no server, or no flavor fits a server; an option does
            not match the topology; the result is not valid.
    """
    servers = [node for node in topology.nodes.values() if COMPUTE in node.types]
    _check_servers(topology, servers, options)
    report = ImportReport(topology)
    groups = {node.name: _group(report, node) for node in servers}
    by_name = [name for name in groups if _CONTROL_NAME.search(name)]
    control = list(options.control) or by_name
    workers = [group for name, group in groups.items() if name not in control]
    data: dict[str, Any] = {"name": options.name or _cluster_name(topology)}
    system = _system(report, servers, catalog)
    image = IMAGES.get(system["os"]["use"] if system else "", DEFAULTS.image)
    defaults = replace(DEFAULTS, image=image)
    data["cloud"] = _cloud(report, list(groups.values()), options, defaults)
    data |= _control_plane(report, [groups[name] for name in control], data["cloud"])
    data |= _workers(report, workers, data["cloud"])
    data |= system
    data |= _access(report, servers)
    data["cloud"] |= _nodes_network(report, data, catalog, cluster_schema)
    reason = _problem(data, catalog, cluster_schema)
    if reason:
        message = f"the resulting cluster.yaml is not valid: {reason}"
        problem = Problem(topology.document.name, None, message, code=Code.TOSCA_CLUSTER_INVALID)
        raise ProblemsFound([problem])
    notes = report.close()
    return Imported(_text(topology.document.name, data, notes), notes)


def _check_servers(topology: Topology, servers: list[Node], options: ImportOptions) -> None:
    """Raise for topologies and options that cannot be converted."""
    source = topology.document
    problems = []
    if not servers:
        found = sorted({node.types[0] for node in topology.nodes.values()})
        message = f"no node of type {COMPUTE}" + (f", only {', '.join(found)}" if found else "")
        hint = "add at least one server"
        problems.append(source.problem(NODES, message, hint, key=True, code=Code.TOSCA_NO_SERVERS))
    for node in servers:
        sizes = [f"{name} {value}" for name, value in _sizes(node).items()]
        if sizes and not node.flavor:
            message = f"no flavor has {', '.join(sizes)}"
            hint = "pass the cloud's: 'openstack flavor list -f json > FILE', then --flavors FILE"
            path = (*NODES, node.name, "capabilities", "host")
            problems.append(
                source.problem(path, message, hint, key=True, code=Code.TOSCA_NO_FLAVOR)
            )
    names = [node.name for node in servers]
    for name in options.control if names else ():
        if name not in names:
            message, hint = f"no {COMPUTE} named {name!r}", did_you_mean(name, names)
            problems.append(Problem(source.name, None, message, hint, code=Code.TOSCA_UNKNOWN_NAME))
    if problems:
        raise ProblemsFound(problems, {source.name: source.text})


def _sizes(node: Node) -> dict[str, Any]:
    """Return the sizes that a server requires."""
    sizes = {name: node.required("host", name) for name in SIZES}
    return {name: value for name, value in sizes.items() if value is not None}


def _group(report: ImportReport, node: Node) -> _ServerGroup:
    """Return the group of one server template."""
    path = (*NODES, node.name)
    report.mark_used(*path, "type")
    if node.types[0] != COMPUTE:
        text = f"changed: {shown(path)}: {node.types[0]} is read as {COMPUTE}, its parent type"
        report.note(text, path)
    for name in ("flavor", "image"):
        if node.properties.get(name):
            report.mark_used(*path, "properties", name)
    sizes = _sizes(node)
    if sizes and not node.properties.get("flavor"):
        text = ", ".join(f"{name} {value}" for name, value in sizes.items())
        report.note(f"chosen: {shown(path)}: flavor {node.flavor} for {text}", path)
        for name in sizes:
            report.mark_used(*path, "capabilities", "host", "properties", name)
    zone = node.properties.get("availability_zone")
    zone = zone if isinstance(zone, str) else ""
    if zone:
        report.mark_used(*path, "properties", "availability_zone")
    affinity = _affinity(report, node)
    return _ServerGroup(
        names=(node.name,),
        count=_count(report, node),
        flavor=node.flavor,
        image=node.image,
        zone=zone,
        affinity=affinity,
    )


def _affinity(report: ImportReport, node: Node) -> str:
    """Return the affinity of the first placement policy that targets a server, or ''."""
    for policy in report.topology.policies:
        if policy.affinity and node.name in policy.targets:
            _mark_policy(report, policy, "policy", "strict")
            return policy.affinity
    return ""


def _count(report: ImportReport, node: Node) -> int:
    """Return the number of servers of a template: from a policy, its capability, or 1."""
    for policy in report.topology.policies:
        count, name = _instances(policy.properties)
        if SCALING in policy.types and node.name in policy.targets and name:
            _mark_policy(report, policy, name)
            return count
    count, name = _instances(node.capabilities.get("scalable", {}))
    if name:
        report.mark_used(*NODES, node.name, "capabilities", "scalable", "properties", name)
    return count


def _instances(properties: Mapping[str, Any]) -> tuple[int, str]:
    """Return the initial number of instances, and the property that defines it."""
    for name in ("default_instances", "min_instances"):
        count = properties.get(name)
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MAX_SERVERS:
            return count, name
    return 1, ""


def _mark_policy(report: ImportReport, policy: Policy, *names: str) -> None:
    """Mark properties of a policy as used, and its targets if all are servers."""
    for name in names:
        report.mark_used(*policy.path, "properties", name)
    report.mark_used(*policy.path, "type")
    nodes = report.topology.nodes
    if all(name in nodes and COMPUTE in nodes[name].types for name in policy.targets):
        report.mark_used(*policy.path, "targets")
        report.mark_used(*policy.path, "properties", "targets")


def _cluster_name(topology: Topology) -> str:
    """Return the name of the template, or that of the file."""
    data = topology.document.data
    metadata = data.get("metadata")
    name = data.get("template_name") or (
        metadata.get("template_name") if isinstance(metadata, dict) else None
    )
    stem = topology.document.name.rpartition("/")[2].rpartition(".")[0]
    return _valid_name(str(name or stem), 30, "cluster")


def _valid_name(text: str, length: int, default: str) -> str:
    """Return text as a valid name of a cluster or group."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).lstrip("-0123456789")
    return name[:length].rstrip("-") or default


def _cloud(
    report: ImportReport,
    groups: list[_ServerGroup],
    options: ImportOptions,
    defaults: ImportOptions,
) -> dict[str, Any]:
    """Return the values for all nodes; defaults are reported."""
    images = [group.image for group in groups]
    flavors = [group.flavor for group in groups if group.flavor]
    found = {
        "external_network": options.external_network or _floating_network(report),
        "image": options.image or (images[0] if all(images) else ""),
        "flavor": options.flavor or (flavors[0] if flavors else ""),
    }
    for key, value in found.items():
        if not value:
            found[key] = getattr(defaults, key)
            option = key.replace("_", "-")
            report.note(f"assumed: cloud.{key} is {found[key]}: --{option} overrides it")
    return dict(found)


def _floating_network(report: ImportReport) -> str:
    for node in report.topology.nodes.values():
        network = node.properties.get("floating_network")
        if FLOATING_IP in node.types and isinstance(network, str) and network:
            path = (*NODES, node.name)
            report.mark_used(*path, "type")
            report.mark_used(*path, "requirements")
            report.mark_used(*path, "properties", "floating_network")
            return network
    return ""


def _control_plane(
    report: ImportReport, groups: list[_ServerGroup], cloud: Mapping[str, Any]
) -> dict[str, Any]:
    """Return ``control_plane``; empty without servers for it."""
    if not groups:
        reason = "no server is named like a control plane"
        report.note(f"assumed: an additional server as control plane: {reason}: --control NAME")
        return {}
    first, wanted = groups[0], sum(group.count for group in groups)
    count = next((odd for odd in CONTROL_COUNTS if odd >= wanted), CONTROL_COUNTS[-1])
    if count != wanted:
        text = f"changed: {wanted} control-plane servers become {count}: etcd requires 1, 3 or 5"
        report.note(text, (*NODES, first.names[0]))
    for group in groups[1:]:
        if not _equal(replace(group, zone=""), replace(first, zone="")):
            text = (
                f"changed: {group.names[0]} gets the properties of {first.names[0]}: "
                f"all control-plane servers are equal"
            )
            report.note(text, (*NODES, group.names[0]))
    part: dict[str, Any] = {"count": count} | _overrides(first, cloud)
    zones = list(dict.fromkeys(group.zone for group in groups if group.zone))
    if zones:
        part["availability_zones"] = zones
    return {"control_plane": part}


def _workers(
    report: ImportReport, groups: list[_ServerGroup], cloud: Mapping[str, Any]
) -> dict[str, Any]:
    """Return ``workers``: a mapping for one group, else a list."""
    merged: list[_ServerGroup] = []
    for group in groups:
        same = next((index for index, known in enumerate(merged) if known.matches(group)), None)
        if same is None:
            merged.append(group)
        else:
            known = merged[same]
            merged[same] = replace(
                known, names=(*known.names, *group.names), count=known.count + group.count
            )
    parts: list[dict[str, Any]] = []
    for group in merged:
        used = {CONTROL, *(str(part["name"]) for part in parts)}
        if group.count > MAX_SERVERS:
            text = f"changed: {group.count} workers become {MAX_SERVERS}, the limit of a group"
            report.note(text, (*NODES, group.names[0]))
        part: dict[str, Any] = {"name": _unique(_valid_name(group.stem, 16, "worker"), used)}
        part |= {"count": min(group.count, MAX_SERVERS)} | _overrides(group, cloud)
        parts.append(part | ({"availability_zone": group.zone} if group.zone else {}))
    if not parts:
        report.note("assumed: no workers: all servers belong to the control plane")
        return {"workers": {"count": 0}}
    if len(parts) == 1:
        parts[0].pop("name")
        return {"workers": parts[0]}
    return {"workers": parts}


def _unique(name: str, used: set[str]) -> str:
    """Return a name, with a number appended if it is already used."""
    numbered = (f"{name[:12]}-{number}" for number in range(2, len(used) + 3))
    return next(candidate for candidate in (name, *numbered) if candidate not in used)


def _overrides(group: _ServerGroup, cloud: Mapping[str, Any]) -> dict[str, Any]:
    """Return flavor and image, if they differ from the cloud's, and the server group."""
    values = {"flavor": group.flavor, "image": group.image, "server_group": group.affinity}
    return {key: value for key, value in values.items() if value and value != cloud.get(key)}


def _system(report: ImportReport, servers: list[Node], catalog: Catalog) -> dict[str, Any]:
    """Return ``os``, if all servers require the same distribution and a block supports it."""
    wanted = sorted({str(node.required("os", "distribution") or "").lower() for node in servers})
    known = catalog.available("os")
    part = ("capabilities", "os")
    if len(wanted) == 1 and wanted[0] in known:
        for node in servers:
            report.mark_used(*NODES, node.name, *part, "properties", "distribution")
        return {"os": {"use": wanted[0]}}
    reason = (
        f"the servers do not all require the same supported system ({', '.join(known)}); "
        f"set the image with --image, and os in cluster.yaml"
    )
    for node in servers:
        report.skip((*NODES, node.name, *part), reason)
    return {}


def _access(report: ImportReport, servers: list[Node]) -> dict[str, Any]:
    """Return ``access`` with the first key pair of the servers."""
    key = ""
    for node in servers:
        name = node.properties.get("key_name")
        if isinstance(name, str) and name and key in {"", name}:
            key = name
            report.mark_used(*NODES, node.name, "properties", "key_name")
    return {"access": {"ssh_key": key}} if key else {}


def _nodes_network(
    report: ImportReport, data: dict[str, Any], catalog: Catalog, cluster_schema: schema.Schema
) -> dict[str, Any]:
    """Return ``cloud.nodes``: the first usable network with a server's port."""
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
                report.skip(path, problem)
            else:
                chosen = network.name
                report.mark_used(*path)
                report.mark_used(*path[:-1], "ip_version")
                report.mark_used(*NODES, chosen, "type")
        if network.name == chosen:
            report.mark_used(*NODES, port.name, "type")
            report.mark_used(*NODES, port.name, "requirements")
    return {"nodes": str(nodes[chosen].properties["cidr"])} if chosen else {}


def _order(port: Node) -> int:
    order = port.properties.get("order")
    return order if isinstance(order, int) else 0


def _problem(data: dict[str, Any], catalog: Catalog, cluster_schema: schema.Schema) -> str:
    """Return the first problem of these values as a ``cluster.yaml``, or ''."""
    try:
        text = writer.dump(data).encode()
        read_spec(document.parse("cluster.yaml", text), catalog, cluster_schema)
    except ProblemsFound as found:
        return found.problems[0].message
    return ""


def _text(name: str, data: dict[str, Any], notes: tuple[Note, ...]) -> str:
    """Return the file: the notes as comments, then the values."""
    lines = [f"# From {name.rpartition('/')[2]}, by heatgen import."]
    lines += [f"# {note}" for note in notes]
    return "\n".join(lines) + "\n" + writer.dump(data)
