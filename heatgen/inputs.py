# SPDX-License-Identifier: Apache-2.0
"""Where the inputs of scripts come from: the words that ``from:`` in a ``block.yaml`` may say.

Most are known while planning and become plain values. What only Heat knows later (outputs of other
steps, names and addresses of servers) becomes a reference, which :mod:`heatgen.render` writes as a
function of HOT.

==============================  ==================================================================
``options.X``                   the block's own option
``LAYER.X``                     another layer's option, such as ``network.pods``
``orchestration.dns``           address of the cluster's DNS
``orchestration.service_address``  address of the service ``kubernetes``
``cluster.name``                ``name`` in ``cluster.yaml``
``control_plane.addresses``     planned addresses, comma separated; ``control_plane.count``
``nodes.cidr``                  network of the nodes
``api.host``, ``.port``, ``.url``  where the cluster's own components reach the API
``api.external``                address by which users reach it
``artefact.X``                  "URL SHA256"
``artefacts``                   lines "URL SHA256": all that the step's role needs
``image.X``                     reference with digest
``config.X``                    text of a configuration
``file:NAME``                   text of a file of the block
``override.X``                  the user's override as JSON
``artifacts.mirror``, ``.registry``  URLs, empty for upstream
``access.admin_request``        the administrator's certificate request (PEM)
``certificates``                policy lines (:mod:`heatgen.certificates`)
``expected.nodes``              names of all servers, comma separated
``servers.ROLE.names``          map "0", "1", ... to names; ``servers.ROLE.addresses``
``step.LAYER.STEP.OUTPUT@ROLE``  map "0", "1", ... to the outputs of a step on a role
``step.LAYER.STEP.OUTPUT``      output of a step that runs on the first control-plane node alone
==============================  ==================================================================
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from heatgen import addresses, certificates, configs
from heatgen.catalog import Block, Step
from heatgen.names import LAYERS, ROLES
from heatgen.pins import Pins
from heatgen.spec import Spec

API_PORT = 6443
DOMAIN = "cluster.local"


class Unresolved(ValueError):
    """A reference that leads nowhere; the text says why and what to do."""


class Unpinned(Unresolved):
    """A reference whose bytes the lock does not know."""


@dataclass(frozen=True)
class StepOutput:
    """Output of a step's deployments on a role; role '': of its one deployment."""

    layer: str
    step: str
    output: str
    role: str


@dataclass(frozen=True)
class ServerNames:
    """Map of index to name of a role's servers."""

    role: str


@dataclass(frozen=True)
class ServerAddresses:
    """Map of index to fixed address of a role's servers."""

    role: str


@dataclass(frozen=True)
class NodeNames:
    """Names of all servers, comma separated."""


@dataclass(frozen=True)
class ApiExternal:
    """Address by which users reach the API: a floating IP that Neutron chooses."""


@dataclass(frozen=True)
class AdminRequest:
    """The administrator's certificate request: a parameter of the stack."""


Reference = StepOutput | ServerNames | ServerAddresses | NodeNames | ApiExternal | AdminRequest
Value = Any
"""A plain value (text, number, list, mapping) or a :data:`Reference`."""


@dataclass(frozen=True)
class House:
    """All that inputs can be resolved from."""

    spec: Spec
    blocks: Mapping[str, Block]
    """By layer, from the ground up, the mortar last."""
    pins: Pins


@dataclass(frozen=True)
class Place:
    """Who asks: a block, for servers of a role."""

    house: House
    block: Block
    role: str


def resolve(source: str, place: Place) -> Value:
    """The value of a reference.

    Raises:
        Unresolved: it leads nowhere.
        Unpinned: the lock lacks what it names.
    """
    if source in _SINGLES:
        return _SINGLES[source](place)
    if source.startswith("file:"):
        return _file(source.removeprefix("file:"), place)
    family, _, name = source.partition(".")
    if family in _FAMILIES and name:
        return _FAMILIES[family](name, place)
    if family in LAYERS and name:
        return _layer_option(family, name, place)
    raise Unresolved(f"{source!r} is not a source of inputs")


def is_map(value: Value) -> bool:
    """Whether the value arrives as a map: an input of type Json."""
    if isinstance(value, StepOutput):
        return value.role != ""
    return isinstance(value, ServerNames | ServerAddresses)


def as_text(value: Value) -> str:
    """A plain value as scripts get it: lists comma separated, mappings as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(as_text(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    return "" if value is None else str(value)


def control_addresses(spec: Spec) -> list[str]:
    """Planned addresses of the control-plane nodes."""
    planned = addresses.control_addresses(spec.cloud.nodes, spec.control_plane.count)
    return [str(address) for address in planned]


def artefact_url(url: str, mirror: str) -> str:
    """Where nodes fetch an artefact: upstream, or the mirror's copy of the same path."""
    return f"{mirror}/{url.removeprefix('https://')}" if mirror else url


def option_text(template: str, options: Mapping[str, Any]) -> str:
    """A text with ``{option}`` replaced by values of options.

    Raises:
        Unresolved: an option is not there.
    """
    try:
        return template.format_map(options)
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise Unresolved(f"{template!r} names an option that is not there: {error}") from None


def artefact_urls(block: Block, options: Mapping[str, Any]) -> dict[str, str]:
    """Upstream's URLs of a block's artefacts by name."""
    return {name: option_text(item.url, options) for name, item in block.artefacts.items()}


def image_references(block: Block, options: Mapping[str, Any]) -> dict[str, str]:
    """References of a block's images, without digests, by name."""
    return {name: option_text(item, options) for name, item in block.images.items()}


def options_of(spec: Spec, block: Block) -> Mapping[str, Any]:
    """Values of a block's options; the mortar has none."""
    layer = spec.layers.get(block.layer)
    return layer.options if layer else {}


def role_artefacts(house: House, role: str) -> list[str]:
    """Lines "URL SHA256" of all artefacts that steps on a role use, in the order of the layers."""
    lines: dict[str, None] = {}
    for block in house.blocks.values():
        for step in block.steps:
            if role not in step.roles:
                continue
            for name in step.inputs:
                source = block.inputs[name].source if name in block.inputs else ""
                if source.startswith("artefact."):
                    lines[resolve(source, Place(house, block, role))] = None
    return list(lines)


def _own_option(name: str, place: Place) -> Value:
    return _option(options_of(place.house.spec, place.block), name, place.block.layer)


def _layer_option(layer: str, name: str, place: Place) -> Value:
    return _option(place.house.spec.layers[layer].options, name, layer)


def _option(options: Mapping[str, Any], name: str, layer: str) -> Value:
    if name not in options:
        raise Unresolved(f"the block of layer {layer} has no option {name!r}")
    return options[name]


def _services(place: Place) -> IPv4Network:
    return IPv4Network(_layer_option("orchestration", "services", place))


def _artefact(name: str, place: Place) -> str:
    spec, pins = place.house.spec, place.house.pins
    urls = artefact_urls(place.block, options_of(spec, place.block))
    if name not in urls:
        raise Unresolved(f"the block has no artefact {name!r}")
    url = urls[name]
    if url not in pins.artefacts:
        raise Unpinned(f"there is no checksum of {url}")
    return f"{artefact_url(url, spec.artifacts.mirror)} {pins.artefacts[url]}"


def _image(name: str, place: Place) -> str:
    references = image_references(place.block, options_of(place.house.spec, place.block))
    if name not in references:
        raise Unresolved(f"the block has no image {name!r}")
    reference = references[name]
    if reference not in place.house.pins.images:
        raise Unpinned(f"there is no digest of {reference}")
    return f"{reference}@{place.house.pins.images[reference]}"


def _file(name: str, place: Place) -> str:
    if name not in place.block.files:
        raise Unresolved(f"the block has no file {name!r}")
    return place.block.files[name]


def _config(name: str, place: Place) -> str:
    config = place.block.configs.get(name)
    if config is None:
        raise Unresolved(f"the block has no configuration {name!r}")
    data = configs.base(config.file, _file(config.file, place))
    try:
        for pointer, source in config.settings.items():
            data = configs.with_value(data, pointer, _setting(source, place))
    except Unpinned:
        raise
    except ValueError as error:
        raise Unresolved(f"configuration {name!r}: {error}") from None
    patch = place.house.spec.overrides.get(config.override, {})
    return configs.text(configs.merged(data, patch), config.format)


def _setting(source: str | list[str], place: Place) -> Value:
    if isinstance(source, list):
        return [_setting(item, place) for item in source]
    value = resolve(source, place)
    if isinstance(value, Reference):
        raise Unresolved(f"{source!r} is known to Heat only: a configuration cannot hold it")
    return value


def _override(name: str, place: Place) -> str:
    return json.dumps(place.house.spec.overrides.get(name, {}), sort_keys=True)


def _servers(name: str, _: Place) -> Reference:
    role, what = (*name.split(".", 1), "")[:2]
    kinds: dict[str, type[ServerNames | ServerAddresses]] = {
        "names": ServerNames, "addresses": ServerAddresses,
    }  # fmt: skip
    if role not in ROLES or what not in kinds:
        raise Unresolved(f"'servers.{name}' must be servers.ROLE.names or servers.ROLE.addresses")
    return kinds[what](role)


def _step_output(name: str, place: Place) -> StepOutput:
    path, _, role = name.partition("@")
    parts = path.split(".")
    if len(parts) != 3:
        raise Unresolved(f"'step.{name}' must be step.LAYER.STEP.OUTPUT, with @ROLE for a map")
    layer, step_name, output = parts
    step = _find_step(layer, step_name, place)
    if output not in step.outputs:
        raise Unresolved(f"step {layer}/{step_name} has no output {output!r}")
    if role and role not in step.roles:
        raise Unresolved(f"step {layer}/{step_name} does not run on role {role!r}")
    if not role and not step.first_only:
        raise Unresolved(f"step {layer}/{step_name} runs on several servers: add @ROLE")
    return StepOutput(layer, step_name, output, role)


def _find_step(layer: str, name: str, place: Place) -> Step:
    block = place.house.blocks.get(layer)
    for step in block.steps if block else ():
        if step.name == name:
            return step
    raise Unresolved(f"there is no step {layer}/{name}")


def _api_external(place: Place) -> Value:
    spec = place.house.spec
    return ApiExternal() if spec.access.floating_ip else control_addresses(spec)[0]


def _api_host(place: Place) -> str:
    return control_addresses(place.house.spec)[0]


def _policy(place: Place) -> str:
    reached_by = [str(addresses.service_address(_services(place))), _api_host(place)]
    return certificates.policy(place.house.blocks.values(), reached_by, DOMAIN)


_SINGLES: dict[str, Callable[[Place], Value]] = {
    "access.admin_request": lambda _: AdminRequest(),
    "api.external": _api_external,
    "api.host": _api_host,
    "api.port": lambda _: API_PORT,
    "api.url": lambda place: f"https://{_api_host(place)}:{API_PORT}",
    "artefacts": lambda place: "\n".join(role_artefacts(place.house, place.role)),
    "artifacts.mirror": lambda place: place.house.spec.artifacts.mirror,
    "artifacts.registry": lambda place: place.house.spec.artifacts.registry,
    "certificates": _policy,
    "cluster.name": lambda place: place.house.spec.name,
    "control_plane.addresses": lambda place: control_addresses(place.house.spec),
    "control_plane.count": lambda place: place.house.spec.control_plane.count,
    "expected.nodes": lambda _: NodeNames(),
    "nodes.cidr": lambda place: str(place.house.spec.cloud.nodes),
    "orchestration.dns": lambda place: str(addresses.dns_address(_services(place))),
    "orchestration.service_address": lambda place: str(addresses.service_address(_services(place))),
}

_FAMILIES: dict[str, Callable[[str, Place], Value]] = {
    "artefact": _artefact,
    "config": _config,
    "image": _image,
    "options": _own_option,
    "override": _override,
    "servers": _servers,
    "step": _step_output,
}
