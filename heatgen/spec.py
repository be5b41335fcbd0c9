# SPDX-License-Identifier: Apache-2.0
"""``cluster.yaml`` as a value: every default filled in, everything checked that needs no cloud."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from heatgen import addresses, groups, machine, schema
from heatgen.catalog import Block, Catalog
from heatgen.document import Document, Path, dotted
from heatgen.groups import Layer, WorkerGroup
from heatgen.machine import Machine
from heatgen.names import CONTROL, LAYERS, RUNTIME
from heatgen.problems import Problem, ProblemsFound

CONTROL_COUNTS = (1, 3, 5)
VIP, OCTAVIA, NO_BALANCER = "vip", "octavia", "none"
"""How the API is reached: by an address that moves, by Octavia, at the first node alone."""
PODS = ("network", "pods")
SERVICES = ("orchestration", "services")
MIN_SERVICES = 16
"""Addresses: the 10th is the DNS's."""


@dataclass(frozen=True)
class Cloud:
    """Where the cluster is built; names as the cloud knows them."""

    external_network: str
    """'' if nothing needs it."""
    image: str
    nodes: IPv4Network
    first_address: IPv4Address
    """The API's own; the control-plane nodes' follow."""
    dns: tuple[str, ...]
    network: str
    subnet: str
    """Network and subnet that are there; '' for new ones."""
    router: str
    """Router that is there; '' for a new one, or none where the subnet is there."""
    metadata: Mapping[str, str]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class ControlPlane:
    """The control-plane nodes."""

    count: int
    machine: Machine
    load_balancer: str


@dataclass(frozen=True)
class Access:
    """Who may reach the cluster from outside; ``ssh_key`` is '' for none."""

    api: tuple[str, ...]
    ssh: tuple[str, ...]
    ssh_key: str
    floating_ip: bool
    admin_days: int
    """Life of the administrator's certificate."""


@dataclass(frozen=True)
class Artifacts:
    """Where artefacts and images come from; '' for upstream. Both are URLs without a last '/'."""

    mirror: str
    registry: str


@dataclass(frozen=True)
class Site:
    """What the site wants of every node; '' and nothing for none."""

    http_proxy: str
    https_proxy: str
    no_proxy: tuple[str, ...]
    ca_certificates: str
    """PEM."""
    ntp_servers: tuple[str, ...]


@dataclass(frozen=True)
class Spec:
    """What the cluster shall be."""

    name: str
    cloud: Cloud
    control_plane: ControlPlane
    workers: tuple[WorkerGroup, ...]
    layers: Mapping[str, Layer]
    """Of the control plane, and of workers that name no other runtime."""
    access: Access
    artifacts: Artifacts
    site: Site
    overrides: Mapping[str, Mapping[str, Any]]

    @property
    def worker_count(self) -> int:
        """Workers of all groups."""
        return sum(group.count for group in self.workers)

    def options_of(self, layer: str, block: str) -> Mapping[str, Any]:
        """Values of a block's options: the same on all groups that use it; the mortar has none."""
        uses = [self.layers[layer]] if layer in self.layers else []
        if layer == RUNTIME:
            uses += [group.runtime for group in self.workers]
        return next((use.options for use in uses if use.use == block), {})


def read(document: Document, catalog: Catalog, cluster_schema: schema.Schema) -> Spec:
    """The spec of a ``cluster.yaml``.

    Args:
        document: the file.
        catalog: the blocks it may name; their options are keys of its layers.
        cluster_schema: the schema of all that does not depend on blocks.

    Raises:
        ProblemsFound: with everything that is wrong, at once.
    """
    whole = full_schema(document.data, catalog, cluster_schema)
    problems = schema.check(document, whole) + _unknown_blocks(document, catalog)
    if not problems:
        spec = _spec(schema.filled(document.data, whole), catalog)
        problems = [
            *_check_cloud(document, spec),
            *_check_counts(document, spec),
            *_check_networks(document, spec),
            *_check_pods(document, spec, catalog),
            *_check_versions(document, spec, catalog),
            *groups.check(document, spec.workers, spec.layers[RUNTIME]),
        ]
    if problems:
        raise ProblemsFound(problems, {document.name: document.text})
    return spec


def full_schema(data: Any, catalog: Catalog, cluster_schema: schema.Schema) -> dict[str, Any]:
    """The schema of ``cluster.yaml`` with the options and overrides of the blocks that it uses."""
    properties = dict(cluster_schema["properties"])
    blocks: list[Block | None] = [catalog.trust]
    for layer in LAYERS:
        use = properties[layer]["properties"]["use"]
        block = catalog.blocks.get((layer, _used(data, layer, use["default"])))
        blocks.append(block)
        properties[layer] = {
            "type": "object",
            "properties": {
                "use": {"type": "string", "minLength": 1, **use},
                **(block.options if block else {}),
            },
            # The options of an unknown block are unknown, too: one problem is enough.
            "additionalProperties": block is None,
            "elsewhere": _options_elsewhere(layer, catalog),
        }
    properties["cloud"] = _cloud_schema(data, properties["cloud"])
    main = _used(data, RUNTIME, properties[RUNTIME]["properties"]["use"]["default"])
    blocks += [catalog.blocks.get((RUNTIME, use)) for use in groups.runtimes(data).values() if use]
    overrides = dict(properties["overrides"])
    if None not in blocks:
        part = {"type": "object"}
        names = sorted({name for block in blocks if block for name in block.overrides})
        overrides |= {
            "properties": dict.fromkeys(names, part),
            "additionalProperties": False,
            "elsewhere": _overrides_elsewhere(catalog),
        }
    properties["overrides"] = overrides
    properties["workers"] = groups.full_schema(data, properties["workers"], main, catalog)
    return {**cluster_schema, "properties": properties}


def _options_elsewhere(layer: str, catalog: Catalog) -> dict[str, str]:
    """Options of a layer's blocks, with the block that has each."""
    return {
        option: f"it is an option of {name}: 'use: {name}' has it"
        for name in catalog.names(layer)
        for option in catalog.blocks[layer, name].options
    }


def _overrides_elsewhere(catalog: Catalog) -> dict[str, str]:
    """Overrides of all blocks, with the block that has each."""
    return {
        override: f"it is of the block {block.layer}/{block.name}, which this cluster does not use"
        for block in catalog.all_blocks()
        for override in block.overrides
    }


def _cloud_schema(data: Any, cloud: schema.Schema) -> dict[str, Any]:
    """The schema of ``cloud``: a router of ours leads to an external network."""
    written = data.get("cloud") if isinstance(data, dict) else None
    own = isinstance(written, dict) and (written.get("subnet") or written.get("router"))
    required = [] if own else ["external_network"]
    return {**cloud, "required": [*required, *cloud["required"]]}


def notices(spec: Spec) -> list[str]:
    """What is allowed but rarely meant, one sentence each."""
    found = []
    if not spec.access.api:
        found.append("access.api is empty: from outside the cluster nobody can reach its API")
    if spec.access.ssh and not spec.access.ssh_key:
        found.append("access.ssh opens SSH, but without access.ssh_key nobody can log in")
    if spec.control_plane.count > 1 and spec.control_plane.load_balancer == NO_BALANCER:
        found.append(
            "control_plane.load_balancer is none: without the first control-plane node nobody "
            "reaches the API, though the others run"
        )
    return found


def group_blocks(spec: Spec, catalog: Catalog) -> dict[str, dict[str, Block]]:
    """For each group, the control plane first, its blocks by layer, the mortar last."""
    main = {layer: catalog.blocks[layer, spec.layers[layer].use] for layer in LAYERS}
    main[catalog.trust.layer] = catalog.trust
    workers = {
        group.name: main | {RUNTIME: catalog.blocks[RUNTIME, group.runtime.use]}
        for group in spec.workers
    }
    return {CONTROL: main, **workers}


def used_blocks(by_group: Mapping[str, Mapping[str, Block]]) -> list[Block]:
    """Every block that a group uses, once, in the order of the layers."""
    layers = next(iter(by_group.values()))
    found = (blocks[layer] for layer in layers for blocks in by_group.values())
    return list({(block.layer, block.name): block for block in found}.values())


def _used(data: Any, layer: str, default: str) -> str:
    """The block that a file names for a layer, however broken the rest of the file is."""
    part = data.get(layer) if isinstance(data, dict) else None
    use = part.get("use") if isinstance(part, dict) else None
    return use if isinstance(use, str) else default


def _unknown_blocks(document: Document, catalog: Catalog) -> list[Problem]:
    problems = []
    for layer in LAYERS:
        use = _used(document.data, layer, "")
        if use and (layer, use) not in catalog.blocks:
            reason, hint = catalog.missing(layer, use)
            problems.append(document.problem((layer, "use"), f"{layer}.use: {reason}", hint))
    for path, use in groups.runtimes(document.data).items():
        if use and (RUNTIME, use) not in catalog.blocks:
            reason, hint = catalog.missing(RUNTIME, use)
            problems.append(document.problem(path, f"{dotted(path)}: {reason}", hint))
    return problems


def _spec(data: dict[str, Any], catalog: Catalog) -> Spec:
    """The spec of checked data."""
    cloud, access, artifacts = data["cloud"], data["access"], data["artifacts"]
    layers = {layer: _layer(data[layer]) for layer in LAYERS}
    return Spec(
        name=data["name"],
        cloud=_cloud(cloud),
        control_plane=_control_plane(data["control_plane"], cloud),
        workers=groups.read(data["workers"], cloud, layers[RUNTIME], catalog),
        layers=layers,
        access=Access(
            api=tuple(access["api"]),
            ssh=tuple(access["ssh"]),
            ssh_key=access.get("ssh_key") or "",
            floating_ip=access["floating_ip"],
            admin_days=access["admin_days"],
        ),
        artifacts=Artifacts(
            mirror=_url(artifacts.get("mirror")), registry=_url(artifacts.get("registry"))
        ),
        site=_site(data["site"]),
        overrides=data.get("overrides", {}),
    )


def _cloud(data: dict[str, Any]) -> Cloud:
    nodes = IPv4Network(data["nodes"])
    first = data.get("first_address")
    return Cloud(
        external_network=data.get("external_network") or "",
        image=data["image"],
        nodes=nodes,
        # A network too small for the usual first address is told by its size.
        first_address=IPv4Address(first) if first else nodes.network_address + addresses.FIRST,
        dns=tuple(data["dns"]),
        network=data.get("network") or "",
        subnet=data.get("subnet") or "",
        router=data.get("router") or "",
        metadata=dict(sorted(data["metadata"].items())),
        tags=tuple(data["tags"]),
    )


def _control_plane(data: dict[str, Any], cloud: dict[str, Any]) -> ControlPlane:
    usual = VIP if data["count"] > 1 else NO_BALANCER
    zones, volume_zones = data["availability_zones"], data["volume_availability_zones"]
    return ControlPlane(
        count=data["count"],
        machine=machine.read(data, cloud, tuple(zones), tuple(volume_zones)),
        load_balancer=data.get("load_balancer") or usual,
    )


def _site(data: dict[str, Any]) -> Site:
    authorities = (data.get("ca_certificates") or "").strip()
    return Site(
        http_proxy=(data.get("http_proxy") or "").rstrip("/"),
        https_proxy=(data.get("https_proxy") or "").rstrip("/"),
        no_proxy=tuple(data["no_proxy"]),
        ca_certificates=f"{authorities}\n" if authorities else "",
        ntp_servers=tuple(data["ntp_servers"]),
    )


def _layer(data: dict[str, Any]) -> Layer:
    return Layer(data["use"], {key: value for key, value in data.items() if key != "use"})


def _url(text: str | None) -> str:
    """A URL without a last slash; a bare host means https."""
    if not text:
        return ""
    return (text if "://" in text else f"https://{text}").rstrip("/")


def _check_counts(document: Document, spec: Spec) -> list[Problem]:
    problems = []
    count = spec.control_plane.count
    path = ("control_plane", "count")
    if count not in CONTROL_COUNTS:
        message = f"control_plane.count must be 1, 3 or 5, not {count}"
        hint = "etcd needs an odd number: an even one adds a node but no safety"
        problems.append(document.problem(path, message, hint))
    capacity = worker_capacity(spec)
    if capacity < max(1, spec.worker_count):
        message = (
            f"cloud.nodes: {spec.cloud.nodes} has addresses for {max(0, capacity)} workers, "
            f"not for {spec.worker_count}"
        )
        hint = "choose a larger network: the first 20 addresses are kept for the control plane"
        if spec.cloud.subnet:
            hint = "choose a larger subnet, or fewer workers"
        problems.append(document.problem(("cloud", "nodes"), message, hint))
    return problems


def worker_capacity(spec: Spec) -> int:
    """How many workers find an address; 0 or less if the network is too small."""
    if spec.cloud.subnet:
        return addresses.shared_capacity(spec.cloud.nodes, spec.control_plane.count)
    return addresses.worker_capacity(spec.cloud.nodes)


def _check_cloud(document: Document, spec: Spec) -> Iterator[Problem]:
    """Which of network, subnet, router and external network go together."""
    cloud = spec.cloud

    def problem(key: str, message: str, hint: str) -> Problem:
        return document.problem(("cloud", key), message, hint, key=True)

    if not cloud.external_network and spec.access.floating_ip:
        message = "cloud.external_network is missing: the API's floating IP comes from it"
        hint = "name it, or set access.floating_ip: false"
        yield problem("external_network", message, hint)
    if bool(cloud.network) != bool(cloud.subnet):
        named, missing = ("network", "subnet") if cloud.network else ("subnet", "network")
        message = f"cloud.{missing} is missing: cloud.{named} is there, so the other must be"
        yield problem(named, message, "name both to use what is there, none to have new ones")
    if cloud.subnet and cloud.router:
        message = "cloud.router is of no use with cloud.subnet: that subnet has its own way out"
        yield problem("router", message, "remove the key")
    if cloud.subnet and ("cloud", "nodes") not in document.values:
        message = "cloud.nodes is missing: with cloud.subnet it must be that subnet's range"
        yield problem("subnet", message, "see 'openstack subnet show -c cidr SUBNET'")
    if cloud.subnet and cloud.dns:
        message = "cloud.dns is of no use with cloud.subnet: that subnet has its own name servers"
        yield problem("dns", message, "remove the key")
    yield from _check_first_address(document, spec)


def _check_first_address(document: Document, spec: Spec) -> Iterator[Problem]:
    """The planned addresses must lie in the nodes' network and outside what Neutron hands out."""
    cloud = spec.cloud
    path = ("cloud", "first_address")
    if path not in document.values:
        return
    last = int(cloud.first_address) + spec.control_plane.count
    if cloud.first_address not in cloud.nodes or last >= int(cloud.nodes.broadcast_address):
        message = f"cloud.first_address: {cloud.first_address} and the {spec.control_plane.count}"
        message += f" behind it must lie in cloud.nodes, {cloud.nodes}"
        yield document.problem(path, message, "choose an address inside")
    elif not cloud.subnet and not _reserved(cloud, last):
        message = f"cloud.first_address: {cloud.first_address} and those behind it must lie from"
        message += f" the 2nd to the {addresses.FIRST_POOL - 1}th address of cloud.nodes"
        yield document.problem(path, message, "those above are handed out to workers")


def _reserved(cloud: Cloud, last: int) -> bool:
    """Whether the planned addresses lie in front of what Neutron hands out."""
    start = int(cloud.nodes.network_address)
    return start + 2 <= int(cloud.first_address) and last < start + addresses.FIRST_POOL


def _check_networks(document: Document, spec: Spec) -> list[Problem]:
    """The nodes', pods' and services' networks must not overlap; services need a DNS address."""
    networks = _networks(spec)
    problems = []
    for one, other in itertools.combinations(networks, 2):
        if networks[one].overlaps(networks[other]):
            # Of the two, blame one that is written in the file.
            path = other if other in document.values else one
            message = f"{dotted(other)} {networks[other]} overlaps {dotted(one)} {networks[one]}"
            problems.append(document.problem(path, message, "choose networks apart"))
    services = networks.get(SERVICES)
    if services is not None and services.num_addresses < MIN_SERVICES:
        message = f"{dotted(SERVICES)} {services} is too small"
        problems.append(document.problem(SERVICES, message, "the DNS takes its 10th address"))
    return problems


def _check_versions(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Versions that blocks need of themselves and of each other."""
    for block in used_blocks(group_blocks(spec, catalog)):
        for need in block.needs:
            for options in _options_of_layer(spec, need.layer):
                version = str(options.get(need.option, need.at_least))
                if _numbers(version) < _numbers(need.at_least):
                    path = (need.layer, need.option)
                    message = f"{dotted(path)}: {version} does not go with {block.name}: {need.why}"
                    yield document.problem(path, message, f"choose {need.at_least} or later")


def _options_of_layer(spec: Spec, layer: str) -> list[Mapping[str, Any]]:
    """Options of a layer's blocks, those of groups of workers among them."""
    groups_own = [group.runtime.options for group in spec.workers] if layer == RUNTIME else []
    return [spec.layers[layer].options, *groups_own]


def _numbers(version: str) -> tuple[int, ...]:
    """A version's numbers, to compare."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def pod_networks(spec: Spec, catalog: Catalog) -> Iterator[tuple[Path, IPv4Network, int]]:
    """Networks of which every node leases a part: key, network, prefix length of a part."""
    for name, layer in spec.layers.items():
        for option, part in catalog.blocks[name, layer.use].options.items():
            if "per_node" in part:
                yield (name, option), IPv4Network(layer.options[option]), part["per_node"]


def worker_room(spec: Spec, catalog: Catalog) -> int:
    """How many workers find addresses for themselves and for their pods."""
    pods = [
        addresses.pod_capacity(network, prefix) - spec.control_plane.count
        for _, network, prefix in pod_networks(spec, catalog)
    ]
    return max(0, min([worker_capacity(spec), *pods]))


def _check_pods(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Every node must find a part of the pods' network."""
    nodes = spec.control_plane.count + spec.worker_count
    for path, network, prefix in pod_networks(spec, catalog):
        capacity = addresses.pod_capacity(network, prefix)
        if capacity < nodes:
            message = (
                f"{dotted(path)}: {network} has a /{prefix} for {capacity} nodes, not for {nodes}"
            )
            # 2 ** bits - 1 parts are leased.
            hint = f"choose a larger network: /{prefix - max(2, nodes.bit_length())} or more"
            yield document.problem(path, message, hint)


def _networks(spec: Spec) -> dict[Path, IPv4Network]:
    """Every network of the cluster by the key that sets it."""
    networks: dict[Path, IPv4Network] = {("cloud", "nodes"): spec.cloud.nodes}
    for layer, option in (PODS, SERVICES):
        value = spec.layers[layer].options.get(option)
        if isinstance(value, str):
            # Whether it is a network is for the block's own schema to say.
            with contextlib.suppress(ValueError):
                networks[layer, option] = IPv4Network(value)
    return networks
