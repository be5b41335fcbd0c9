# SPDX-License-Identifier: Apache-2.0
"""Reader of ``cluster.yaml``: applies defaults and runs every check that does not need a cloud."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from heatgen.blocks.catalog import MAX_NAME, PLANNED, Block, Catalog
from heatgen.layers import GROUP_LAYERS, LAYERS
from heatgen.spec import (
    addresses,
    machine,
    override_schema,
    template_safety,
    validation,
    workers,
)
from heatgen.spec.model import (
    NO_BALANCER,
    OVN,
    VIP,
    Access,
    Artifacts,
    Cloud,
    ControlPlane,
    Limits,
    Octavia,
    Site,
    Spec,
)
from heatgen.spec.workers import LayerChoice
from heatgen.yamlio import schema, url
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem, ProblemsFound


def read_spec(document: Document, catalog: Catalog, cluster_schema: schema.Schema) -> Spec:
    """Return the specification in a ``cluster.yaml``.

    Args:
        document: the file.
        catalog: the available blocks, whose options are keys of the layers.
        cluster_schema: the schema without the parts that depend on blocks.

    Raises:
        ProblemsFound: with every problem.
    """
    document = _without_empty_sections(document, cluster_schema)
    if problems := workers.too_many(document):
        raise ProblemsFound(problems, {document.name: document.text})
    full = full_schema(document.data, catalog, cluster_schema)
    problems = [*_text_problems(document, full), *_unknown_blocks(document, catalog)]
    if not problems:
        # The defaults of a component's configuration are not part of its overrides.
        written = copy.deepcopy(document.data.get("overrides") or {})
        spec = _spec({**schema.filled(document.data, full), "overrides": written}, catalog)
        problems = list(_unavailable_blocks(document, catalog))
        problems += validation.check(document, spec, catalog)
    if problems:
        raise ProblemsFound(problems, {document.name: document.text})
    return spec


def _without_empty_sections(document: Document, cluster_schema: schema.Schema) -> Document:
    """Return a file without optional sections that are empty, such as one with only comments."""
    if not isinstance(document.data, dict):
        return document
    optional = cluster_schema["properties"].keys() - set(cluster_schema["required"])
    data = {
        key: value
        for key, value in document.data.items()
        if value is not None or key not in optional
    }
    return replace(document, data=data)


def _text_problems(document: Document, full: schema.Schema) -> list[Problem]:
    """Return the violations of the schema and the unsafe texts; of each place only one of them.

    The formats of the schema explain secrets better, the other check everything else.
    """
    violations = schema.check(document, full)
    secrets = {item.position for item in violations if item.code == Code.SECRET_IN_FILE}
    unsafe = [item for item in template_safety.check(document) if item.position not in secrets]
    places = {item.position for item in unsafe}
    return [*unsafe, *(item for item in violations if item.position not in places)]


def full_schema(data: Any, catalog: Catalog, cluster_schema: schema.Schema) -> dict[str, Any]:
    """Return the schema of ``cluster.yaml`` with the options and overrides of its blocks."""
    properties = dict(cluster_schema["properties"])
    blocks: list[Block | None] = [catalog.trust]
    for layer in LAYERS:
        use = properties[layer]["properties"]["use"]
        block = catalog.blocks.get((layer, _used(data, layer, use["default"])))
        blocks.append(block)
        properties[layer] = {
            "type": "object",
            "shorthand": "use",
            "properties": {
                "use": {"type": "string", "minLength": 1, "maxLength": MAX_NAME, **use},
                **(workers.bounded(block.options) if block else {}),
            },
            # Do not report the options of an unknown block in addition to the block.
            "additionalProperties": block is None,
            "elsewhere": _options_elsewhere(layer, catalog),
        }
    properties["cloud"] = _cloud_schema(data, properties["cloud"])
    main = {
        layer: _used(
            data, layer, cluster_schema["properties"][layer]["properties"]["use"]["default"]
        )
        for layer in GROUP_LAYERS
    }
    blocks += [catalog.blocks.get(key) for key in workers.own_blocks(data).values()]
    overrides = dict(properties["overrides"])
    if None not in blocks:
        known = [block for block in blocks if block]
        overrides |= {
            "properties": dict(sorted(_overrides(known, data))),
            "additionalProperties": False,
            "elsewhere": _overrides_elsewhere(catalog),
        }
    properties["overrides"] = overrides
    properties["workers"] = workers.full_schema(data, properties["workers"], main, catalog)
    return {**cluster_schema, "properties": properties}


def _overrides(blocks: Iterable[Block], data: Any) -> Iterator[tuple[str, schema.Schema]]:
    """Yield the overrides of blocks with the schemas of their configurations."""
    for block in blocks:
        written = data.get(block.layer) if isinstance(data, dict) else None
        default = block.options.get("version", {}).get("default", "")
        version = None
        if isinstance(written, dict):
            # Kubelets keep the version as which the control plane behaves.
            version = written.get("emulate") or written.get("version")
        for config in block.configs.values():
            if config.override:
                yield config.override, override_schema.of(block, config, str(version or default))


def _options_elsewhere(layer: str, catalog: Catalog) -> dict[str, str]:
    """Return the options of a layer's blocks, each with a hint that names the block."""
    return {
        option: f"it is an option of {name}: set 'use: {name}', or remove the key"
        for name in catalog.names(layer)
        for option in catalog.blocks[layer, name].options
    }


def _overrides_elsewhere(catalog: Catalog) -> dict[str, str]:
    """Return the overrides of all blocks, each with a hint that names the block."""
    return {
        override: f"remove it: this cluster does not use the block {block.layer}/{block.name}"
        for block in catalog.all_blocks()
        for override in block.overrides
    }


def _cloud_schema(data: Any, cloud: schema.Schema) -> dict[str, Any]:
    """Return the schema of ``cloud``: a new router requires an external network."""
    written = data.get("cloud") if isinstance(data, dict) else None
    existing = isinstance(written, dict) and (written.get("subnet") or written.get("router"))
    required = [] if existing else ["external_network"]
    return {**cloud, "required": [*required, *cloud["required"]]}


def _used(data: Any, layer: str, default: str) -> str:
    """Return the block that a file, which may be invalid, uses for a layer."""
    part = data.get(layer) if isinstance(data, dict) else None
    use = part.get("use") if isinstance(part, dict) else None
    return use if isinstance(use, str) else default


def _chosen_blocks(document: Document) -> dict[Path, tuple[str, str]]:
    """Return layer and name of the blocks that a file names, by the path of the name."""
    main = {layer: _used(document.data, layer, "") for layer in LAYERS}
    return {
        **{(layer, "use"): (layer, use) for layer, use in main.items() if use},
        **workers.own_blocks(document.data),
    }


def _unknown_blocks(document: Document, catalog: Catalog) -> list[Problem]:
    problems = []
    for path, (layer, use) in _chosen_blocks(document).items():
        if (layer, use) not in catalog.blocks:
            reason, hint = catalog.missing(layer, use)
            message = f"{dotted(path)}: {reason}"
            problems.append(document.problem(path, message, hint, code=Code.UNKNOWN_BLOCK))
    return problems


def _unavailable_blocks(document: Document, catalog: Catalog) -> Iterator[Problem]:
    """Yield the blocks that cannot be selected yet."""
    for path, key in _chosen_blocks(document).items():
        block = catalog.blocks[key]
        if block.status == PLANNED:
            message = f"{dotted(path)}: {block.name} is not yet available: {block.tested}"
            hint = f"use {' or '.join(catalog.available(block.layer))}"
            yield document.problem(path, message, hint, code=Code.UNAVAILABLE_BLOCK)


def _spec(data: dict[str, Any], catalog: Catalog) -> Spec:
    """Return the specification of valid data."""
    cloud, artifacts = data["cloud"], data["artifacts"]
    layers = {layer: _layer(data[layer]) for layer in LAYERS}
    return Spec(
        name=data["name"],
        cloud=_cloud(cloud),
        control_plane=_control_plane(data["control_plane"], cloud),
        workers=workers.read(data["workers"], cloud, layers, catalog),
        layers=layers,
        access=_access(data["access"]),
        artifacts=Artifacts(
            mirror=_url(artifacts.get("mirror")),
            registry=_url(artifacts.get("registry")),
            apt_mirror=_url(artifacts.get("apt_mirror")),
        ),
        site=_site(data["site"]),
        overrides=data["overrides"],
        limits=Limits(**data["limits"]),
    )


def _cloud(data: dict[str, Any]) -> Cloud:
    nodes = IPv4Network(data["nodes"])
    first = data.get("first_address")
    return Cloud(
        external_network=data.get("external_network") or "",
        image=data["image"],
        nodes=nodes,
        # validation._check_counts reports a network that is too small for this default.
        first_address=IPv4Address(first) if first else nodes.network_address + addresses.FIRST,
        assigned=data["addresses"] == "assigned",
        config_drive=data["config_drive"],
        dns=tuple(data["dns"]),
        network=data.get("network") or "",
        subnet=data.get("subnet") or "",
        router=data.get("router") or "",
        metadata=dict(sorted(data["metadata"].items())),
        tags=tuple(data["tags"]),
        signal_transport=data["signal_transport"],
    )


def _control_plane(data: dict[str, Any], cloud: dict[str, Any]) -> ControlPlane:
    usual = VIP if data["count"] > 1 else NO_BALANCER
    zones, volume_zones = data["availability_zones"], data["volume_availability_zones"]
    return ControlPlane(
        count=data["count"],
        machine=machine.read(data, cloud, tuple(zones), tuple(volume_zones)),
        load_balancer=data.get("load_balancer") or usual,
        octavia=_octavia(data["octavia"]),
    )


def _octavia(data: dict[str, Any]) -> Octavia:
    provider = data.get("provider") or ""
    usual = ("SOURCE_IP_PORT", "TCP") if provider == OVN else ("LEAST_CONNECTIONS", "HTTPS")
    return Octavia(provider, data.get("algorithm") or usual[0], data.get("monitor") or usual[1])


def _access(data: dict[str, Any]) -> Access:
    given = data.get("endpoint")
    endpoint = url.parse(given, default_scheme="https") if given else None
    host = [endpoint.host.strip("[]")] if endpoint else []
    return Access(
        api=tuple(data["api"]),
        ssh=tuple(data["ssh"]),
        ssh_key=data.get("ssh_key") or "",
        floating_ip=data["floating_ip"],
        names=tuple(dict.fromkeys([*host, *data["names"]])),
        endpoint=endpoint,
        admin_days=data["admin_days"],
        backup_recipients=(data.get("backup_recipients") or "").strip(),
    )


def _site(data: dict[str, Any]) -> Site:
    authorities = (data.get("ca_certificates") or "").strip()
    return Site(
        http_proxy=_url(data.get("http_proxy")),
        https_proxy=_url(data.get("https_proxy")),
        no_proxy=tuple(data["no_proxy"]),
        ca_certificates=f"{authorities}\n" if authorities else "",
        ntp_servers=tuple(data["ntp_servers"]),
        timeout_factor=data["timeout_factor"],
    )


def _layer(data: dict[str, Any]) -> LayerChoice:
    return LayerChoice(data["use"], {key: value for key, value in data.items() if key != "use"})


def _url(text: str | None) -> str:
    """Return a URL without a final slash; a host without scheme gets https."""
    return str(url.parse(text, default_scheme="https")) if text else ""
