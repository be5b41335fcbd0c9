# SPDX-License-Identifier: Apache-2.0
"""``cluster.yaml`` as a value: every default filled in, everything checked that needs no cloud."""

import contextlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from heatgen import addresses, schema
from heatgen.catalog import Block, Catalog
from heatgen.document import Document, Path, dotted
from heatgen.names import LAYERS
from heatgen.problems import Problem, ProblemsFound, did_you_mean

CONTROL_COUNTS = (1, 3, 5)
PODS = ("network", "pods")
SERVICES = ("orchestration", "services")
MIN_SERVICES = 16
"""Addresses: the 10th is the DNS's."""


@dataclass(frozen=True)
class Cloud:
    """Where the cluster is built; names as the cloud knows them."""

    external_network: str
    image: str
    flavor: str
    nodes: IPv4Network
    dns: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Servers of one kind."""

    count: int
    flavor: str


@dataclass(frozen=True)
class Layer:
    """A layer's block and the values of its options."""

    use: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Access:
    """Who may reach the cluster from outside; ``ssh_key`` is '' for none."""

    api: tuple[str, ...]
    ssh: tuple[str, ...]
    ssh_key: str
    floating_ip: bool


@dataclass(frozen=True)
class Artifacts:
    """Where artefacts and images come from; '' for upstream. Both are URLs without a last '/'."""

    mirror: str
    registry: str


@dataclass(frozen=True)
class Spec:
    """What the cluster shall be."""

    name: str
    cloud: Cloud
    control_plane: Group
    workers: Group
    layers: Mapping[str, Layer]
    access: Access
    artifacts: Artifacts
    overrides: Mapping[str, Mapping[str, Any]]


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
        spec = _spec(schema.filled(document.data, whole))
        problems = _check_counts(document, spec) + _check_networks(document, spec)
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
            "properties": {"use": {"type": "string", **use}, **(block.options if block else {})},
            # The options of an unknown block are unknown, too: one problem is enough.
            "additionalProperties": block is None,
        }
    overrides = dict(properties["overrides"])
    if None not in blocks:
        part = {"type": "object"}
        names = sorted({name for block in blocks if block for name in block.overrides})
        overrides |= {"properties": dict.fromkeys(names, part), "additionalProperties": False}
    properties["overrides"] = overrides
    return {**cluster_schema, "properties": properties}


def notices(spec: Spec) -> list[str]:
    """What is allowed but rarely meant, one sentence each."""
    found = []
    if not spec.access.api:
        found.append("access.api is empty: from outside the cluster nobody can reach its API")
    if spec.access.ssh and not spec.access.ssh_key:
        found.append("access.ssh opens SSH, but without access.ssh_key nobody can log in")
    return found


def used_blocks(spec: Spec, catalog: Catalog) -> dict[str, Block]:
    """The blocks of a spec by layer, from the ground up, the mortar last."""
    blocks = {layer: catalog.blocks[layer, spec.layers[layer].use] for layer in LAYERS}
    return blocks | {catalog.trust.layer: catalog.trust}


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
            hint = did_you_mean(use, catalog.names(layer))
            message = f"{layer}.use: there is no block {use!r}"
            problems.append(document.problem((layer, "use"), message, hint))
    return problems


def _spec(data: dict[str, Any]) -> Spec:
    """The spec of checked data."""
    cloud, access, artifacts = data["cloud"], data["access"], data["artifacts"]
    return Spec(
        name=data["name"],
        cloud=Cloud(
            external_network=cloud["external_network"],
            image=cloud["image"],
            flavor=cloud["flavor"],
            nodes=IPv4Network(cloud["nodes"]),
            dns=tuple(cloud["dns"]),
        ),
        control_plane=_group(data["control_plane"], cloud["flavor"]),
        workers=_group(data["workers"], cloud["flavor"]),
        layers={layer: _layer(data[layer]) for layer in LAYERS},
        access=Access(
            api=tuple(access["api"]),
            ssh=tuple(access["ssh"]),
            ssh_key=access.get("ssh_key") or "",
            floating_ip=access["floating_ip"],
        ),
        artifacts=Artifacts(
            mirror=_url(artifacts.get("mirror")), registry=_url(artifacts.get("registry"))
        ),
        overrides=data.get("overrides", {}),
    )


def _group(data: dict[str, Any], flavor: str) -> Group:
    return Group(data["count"], data.get("flavor") or flavor)


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
    elif count > 1:
        message = f"control_plane.count: {count} control-plane nodes come with a later release"
        problems.append(document.problem(path, message, "write 1 for now"))
    capacity = addresses.worker_capacity(spec.cloud.nodes)
    if capacity < max(1, spec.workers.count):
        message = (
            f"cloud.nodes: {spec.cloud.nodes} has addresses for {max(0, capacity)} workers, "
            f"not for {spec.workers.count}"
        )
        hint = "choose a larger network: the first 20 addresses are kept for the control plane"
        problems.append(document.problem(("cloud", "nodes"), message, hint))
    return problems


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
