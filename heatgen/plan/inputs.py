# SPDX-License-Identifier: Apache-2.0
"""Sources of the inputs of scripts: the values of ``from:`` in ``block.yaml``.

Most are known during planning and become plain values. Those that only Heat knows (outputs of other
steps, names and addresses of servers) become references, which :mod:`heatgen.render.deployments`
writes as HOT functions.

==============================  ==================================================================
``options.X``                   the block's own option
``LAYER.X``                     another layer's option, such as ``network.pods``
``orchestration.dns``           address of the cluster's DNS
``orchestration.service_address``  address of the service ``kubernetes``
``cluster.name``                ``name`` in ``cluster.yaml``
``control_plane.addresses``     fixed addresses, comma separated; ``control_plane.count``
``control_plane.load_balancer``  ``vip``, ``octavia`` or ``none``
``group.name``                  the group: ``control``, or a group of workers
``group.labels``, ``.taints``   "k=v,k=v" and "k=v:Effect,...": of its Kubernetes nodes
``group.version``               version of its kubelets
``nodes.cidr``                  network of the nodes
``api.host``, ``.port``, ``.url``  endpoint of the API for the cluster's own components
``api.external``                address of the API for users
``artifact.X``                  "URL SHA256"
``artifacts``                   lines "URL SHA256": all artifacts of the group's servers
``image.X``                     reference with digest
``config.X``                    text of a configuration
``file:NAME``                   text of a file of the block
``override.X``                  the user's override as JSON
``volume.X``                    id of the server's data volume; ``volumes.X`` whether it exists
``artifacts.mirror``, ``.registry``, ``.apt_mirror``
                               URLs, empty for upstream
``access.admin_request``        the administrator's certificate request (PEM)
``access.backup_certificate``   certificate of the key that opens backups (PEM)
``access.backup_recipients``    further certificates to which backups are sealed (PEM)
``access.admin_days``           validity of the administrator's certificate
``restore.request``             phase of a restore of etcd; empty for none
``restore.restored``            id of the last restore; programs restart when it changes
``rotation.certificates``       generation of certificates; a higher one renews all of them
``rotation.authorities``        generations of the trusted authorities; the first signs
``site.proxy``                  lines "NAME=VALUE": http_proxy and so on; empty for none
``site.ca_certificates``        certificates (PEM) of additional trusted authorities
``site.ntp_servers``            names, comma separated
``certificates``                policy lines (:mod:`heatgen.plan.certificates`)
``stack.name``                  name of the stack
``expected.nodes``              names of all servers, comma separated
``servers.names``               map GROUP to map "0", "1", ... to names; ``servers.addresses``
``servers.rolls``               lines "GROUP BATCH DRAIN DRAIN_SECONDS VERSION": how groups change
``servers.turns``               map LAYER-STEP to map GROUP to map "0", "1", ... to outputs ``turn``
``step.LAYER.STEP.OUTPUT@all``  map GROUP to map "0", "1", ... to the outputs of a step
``step.LAYER.STEP.OUTPUT@control``  map "0", "1", ... to the outputs on the control plane
``step.LAYER.STEP.OUTPUT``      output of a step that runs on the first control-plane node only
==============================  ==================================================================
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network
from typing import Any

from heatgen.blocks.catalog import Block, Condition, Step
from heatgen.blocks.pins import Pins
from heatgen.blocks.references import Unresolved, artifact_url, artifact_urls, image_references
from heatgen.layers import CONTROL, LAYERS, ORCHESTRATION, role_of
from heatgen.plan import assigned, certificates, config_files, site
from heatgen.spec import addresses
from heatgen.spec.block_selection import node_artifacts, used_blocks
from heatgen.spec.model import NO_BALANCER, Spec
from heatgen.spec.workers import WorkerGroup
from heatgen.yamlio.merge_patch import merged

API_PORT = 6443
EVERY = "all"
CONTROL_TAINTS = ("node-role.kubernetes.io/control-plane=:NoSchedule",)


class Unpinned(Unresolved):
    """The lock has no digest of an artifact or image."""


@dataclass(frozen=True)
class StepOutput:
    """Output of a step's deployments: of all, of the control plane's, or ('') of the only one."""

    layer: str
    step: str
    output: str
    scope: str


@dataclass(frozen=True)
class ServerNames:
    """Map of group to map of index to a server's name."""


@dataclass(frozen=True)
class ServerAddresses:
    """Map of group to map of index to a server's fixed address."""


@dataclass(frozen=True)
class ServerTurns:
    """Map of LAYER-STEP to map of group to map of index to what a server applies at its turn."""


@dataclass(frozen=True)
class NodeNames:
    """Names of all servers, comma separated."""


@dataclass(frozen=True)
class ApiExternal:
    """Address of the API for users: a floating IP that Neutron chooses."""


@dataclass(frozen=True)
class VolumeId:
    """Id of a block's volume on the control-plane server of the deployment."""

    layer: str
    name: str


@dataclass(frozen=True)
class StackParameter:
    """A parameter of the stack, by its name."""

    name: str


ADMIN_REQUEST = StackParameter("admin_request")
BACKUP_CERTIFICATE = StackParameter("backup_certificate")
CERTIFICATES_GENERATION = StackParameter("certificates_generation")
RESTORE = StackParameter("restore")
RESTORED = StackParameter("restored")
STACK_NAME = StackParameter("OS::stack_name")
AUTHORITY_GENERATIONS = StackParameter("authority_generations")
Reference = (
    StepOutput
    | ServerNames
    | ServerAddresses
    | ServerTurns
    | NodeNames
    | ApiExternal
    | VolumeId
    | StackParameter
)
Value = Any
"""A plain value (string, number, list, mapping) or a :data:`Reference`."""


@dataclass(frozen=True)
class PlanContext:
    """The data from which inputs of all blocks are resolved."""

    spec: Spec
    groups: Mapping[str, Mapping[str, Block]]
    """Blocks by group (control plane first) and layer (bottom to top, trust last)."""
    pins: Pins

    @property
    def blocks(self) -> list[Block]:
        """Return every block that a group uses, in the order of the layers."""
        return used_blocks(self.groups)

    @cached_property
    def control_addresses(self) -> tuple[str, ...]:
        """Return the fixed addresses of the control-plane nodes, or marks."""
        count = self.spec.control_plane.count
        if self.spec.cloud.assigned:
            return tuple(assigned.control(index) for index in range(count))
        planned = addresses.control_addresses(self.spec.cloud.first_address, count)
        return tuple(str(address) for address in planned)

    @cached_property
    def api_host(self) -> str:
        """Return the address of the API for the cluster's own components, or a mark."""
        if self.spec.control_plane.load_balancer == NO_BALANCER:
            return self.control_addresses[0]
        return assigned.API if self.spec.cloud.assigned else str(self.spec.cloud.first_address)

    @property
    def api_external(self) -> "ApiExternal | str":
        """Return the address of the API for users."""
        return ApiExternal() if self.spec.access.floating_ip else self.api_host

    def users(self, block: Block) -> list[str]:
        """Return the groups that use a block."""
        return [
            group for group, blocks in self.groups.items() if blocks[block.layer].name == block.name
        ]


@dataclass(frozen=True)
class BlockContext:
    """The block whose inputs are resolved, and the group of servers."""

    cluster: PlanContext
    block: Block
    group: str

    @property
    def role(self) -> str:
        """Return the role of the group's servers."""
        return role_of(self.group)

    @property
    def workers(self) -> WorkerGroup | None:
        """Return the group of workers; None for the control plane."""
        return next((item for item in self.cluster.spec.workers if item.name == self.group), None)


def resolve(source: str, context: BlockContext) -> Value:
    """Return the value of a source.

    Raises:
        Unresolved: the source does not exist.
        Unpinned: the lock has no digest of the artifact or image.
    """
    if source in _SINGLES:
        return _SINGLES[source](context)
    if source.startswith("file:"):
        return _file(source.removeprefix("file:"), context)
    family, _, name = source.partition(".")
    if family in _FAMILIES and name:
        return _FAMILIES[family](name, context)
    if family in LAYERS and name:
        return _layer_option(family, name, context)
    raise Unresolved(f"unknown source {source!r}")


def holds(condition: Condition, context: BlockContext) -> bool:
    """Return whether each source of a condition has one of its values, compared as text.

    Raises:
        Unresolved: a source does not exist, or only Heat knows its value.
    """
    for source, values in condition.items():
        found = resolve(source, context)
        if isinstance(found, Reference):
            raise Unresolved(f"a condition cannot use {source!r}: only Heat knows its value")
        if as_text(found) not in {as_text(value) for value in values}:
            return False
    return True


def is_map(value: Value) -> bool:
    """Return whether the value is a map, so that the input has the type Json."""
    if isinstance(value, StepOutput):
        return value.scope != ""
    return isinstance(value, ServerNames | ServerAddresses | ServerTurns)


def as_text(value: Value) -> str:
    """Return a plain value as text for scripts: lists comma separated, mappings as JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(as_text(item) for item in value)
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    return "" if value is None else str(value)


def group_artifacts(cluster: PlanContext, group: str) -> list[str]:
    """Return lines "URL SHA256" of the artifacts of a group's steps, in the order of the layers."""
    lines: dict[str, None] = {}
    for block in cluster.groups[group].values():
        context = BlockContext(cluster, block, group)
        for step in block.steps:
            if context.role not in step.roles or not holds(step.when, context):
                continue
            for name, roles in step.inputs.items():
                source = block.inputs[name].source if name in block.inputs else ""
                if context.role in roles and source.startswith("artifact."):
                    lines[resolve(source, context)] = None
    return list(lines)


def _own_option(name: str, context: BlockContext) -> Value:
    options = context.cluster.spec.group_options(context.block, context.group)
    return _option(options, name, context.block.layer)


def _layer_option(layer: str, name: str, context: BlockContext) -> Value:
    block = context.cluster.groups[context.group][layer]
    return _option(context.cluster.spec.group_options(block, context.group), name, layer)


def _option(options: Mapping[str, Any], name: str, layer: str) -> Value:
    if name not in options:
        raise Unresolved(f"the block of layer {layer} has no option {name!r}")
    return options[name]


def _services(context: BlockContext) -> IPv4Network:
    return IPv4Network(_layer_option("orchestration", "services", context))


def _artifact(name: str, context: BlockContext) -> str:
    spec, pins = context.cluster.spec, context.cluster.pins
    of_kubelet = name in node_artifacts(context.block)
    options = spec.group_options(context.block, context.group, kubelet=of_kubelet)
    urls = artifact_urls(context.block, options)
    if name not in urls:
        raise Unresolved(f"the block has no artifact {name!r}")
    url = urls[name]
    if url not in pins.artifacts:
        raise Unpinned(f"no checksum of {url}")
    return f"{artifact_url(url, spec.artifacts.mirror)} {pins.artifacts[url]}"


def _image(name: str, context: BlockContext) -> str:
    references = image_references(context.block, context.cluster.spec.options_of(context.block))
    if name not in references:
        raise Unresolved(f"the block has no image {name!r}")
    reference = references[name]
    if reference not in context.cluster.pins.images:
        raise Unpinned(f"no digest of {reference}")
    return f"{reference}@{context.cluster.pins.images[reference]}"


def _file(name: str, context: BlockContext) -> str:
    if name not in context.block.files:
        raise Unresolved(f"the block has no file {name!r}")
    return context.block.files[name]


def _config(name: str, context: BlockContext) -> str:
    config = context.block.configs.get(name)
    if config is None:
        raise Unresolved(f"the block has no configuration {name!r}")
    data = config_files.base(config.file, _file(config.file, context))
    try:
        for pointer, setting in config.settings.items():
            if holds(setting.when, context):
                value = _setting(setting.source, context)
                data = config_files.with_value(data, pointer, value)
    except Unpinned:
        raise
    except ValueError as error:
        raise Unresolved(f"configuration {name!r}: {error}") from None
    for other in context.cluster.groups[context.group].values():
        data = merged(data, other.patches.get(config.override, {}))
    patch = context.cluster.spec.overrides.get(config.override, {})
    # The order of keys in cluster.yaml is no change, for which nodes would restart programs.
    ordered = json.loads(json.dumps(patch, sort_keys=True))
    return config_files.text(merged(data, ordered), config.format)


def _setting(source: str | list[str], context: BlockContext) -> Value:
    if isinstance(source, list):
        return [_setting(item, context) for item in source]
    value = resolve(source, context)
    if isinstance(value, Reference):
        raise Unresolved(f"a configuration cannot contain {source!r}: only Heat knows its value")
    return value


def _override(name: str, context: BlockContext) -> str:
    return json.dumps(context.cluster.spec.overrides.get(name, {}), sort_keys=True)


def _step_output(name: str, context: BlockContext) -> StepOutput:
    path, _, scope = name.partition("@")
    parts = path.split(".")
    if len(parts) != 3 or scope not in ("", CONTROL, EVERY):
        raise Unresolved(f"'step.{name}' must be step.LAYER.STEP.OUTPUT, with @all or @control")
    layer, step_name, output = parts
    for step in _find_steps(layer, step_name, context):
        if output not in step.outputs:
            raise Unresolved(f"step {layer}/{step_name} has no output {output!r}")
        if scope == CONTROL and CONTROL not in step.roles:
            raise Unresolved(f"step {layer}/{step_name} does not run on the control plane")
        if not scope and not step.first_only:
            raise Unresolved(f"step {layer}/{step_name} runs on several servers: append @all")
    return StepOutput(layer, step_name, output, scope)


def _find_steps(layer: str, name: str, context: BlockContext) -> list[Step]:
    """Return the steps of a name in all blocks of a layer."""
    blocks = [block for block in context.cluster.blocks if block.layer == layer]
    steps = [step for block in blocks for step in block.steps if step.name == name]
    if not steps:
        raise Unresolved(f"unknown step {layer}/{name}")
    return steps


def volume_size(spec: Spec, block: Block, name: str) -> int:
    """Return the size of a block's volume in GiB; 0 for none.

    Raises:
        Unresolved: the block has no such volume, or not the option of its size.
    """
    if name not in block.volumes:
        raise Unresolved(f"the block has no volume {name!r}")
    return int(_option(spec.options_of(block), block.volumes[name].size, block.layer))


def _volume_id(name: str, context: BlockContext) -> Value:
    return VolumeId(context.block.layer, name) if _has_volume(name, context) else ""


def _has_volume(name: str, context: BlockContext) -> bool:
    return volume_size(context.cluster.spec, context.block, name) > 0


def _labels(context: BlockContext) -> str:
    labels = context.workers.labels if context.workers else {}
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _taints(context: BlockContext) -> str:
    return ",".join(context.workers.taints if context.workers else CONTROL_TAINTS)


def _rolls(context: BlockContext) -> str:
    """Return how each group changes, and to which version."""
    spec, groups = context.cluster.spec, context.cluster.groups
    versions = {
        group: spec.group_options(groups[group][ORCHESTRATION], group, kubelet=True).get(
            "version", "-"
        )
        for group in spec.rolls
    }
    return "\n".join(
        f"{group} {roll.batch} {roll.drain} {roll.drain_seconds} {versions[group]}"
        for group, roll in spec.rolls.items()
    )


def _kubelet_version(context: BlockContext) -> Value:
    """Return the version of kubelet and kube-proxy on the nodes of the group."""
    block = context.cluster.groups[context.group][ORCHESTRATION]
    options = context.cluster.spec.group_options(block, context.group, kubelet=True)
    return _option(options, "version", ORCHESTRATION)


def _policy(context: BlockContext) -> str:
    cluster = context.cluster
    api_addresses = [str(addresses.service_address(_services(context))), cluster.api_host]
    wanted = [
        certificate
        for block in cluster.blocks
        for certificate in block.certificates
        if holds(certificate.when, BlockContext(cluster, block, cluster.users(block)[0]))
    ]
    return certificates.policy(wanted, api_addresses, site.DOMAIN, cluster.spec.access.names)


_SINGLES: dict[str, Callable[[BlockContext], Value]] = {
    "access.admin_days": lambda context: context.cluster.spec.access.admin_days,
    "access.admin_request": lambda _: ADMIN_REQUEST,
    "access.backup_certificate": lambda _: BACKUP_CERTIFICATE,
    "access.backup_recipients": lambda context: context.cluster.spec.access.backup_recipients,
    "api.external": lambda context: context.cluster.api_external,
    "api.host": lambda context: context.cluster.api_host,
    "api.port": lambda _: API_PORT,
    "api.url": lambda context: f"https://{context.cluster.api_host}:{API_PORT}",
    "artifacts": lambda context: "\n".join(group_artifacts(context.cluster, context.group)),
    "artifacts.apt_mirror": lambda context: context.cluster.spec.artifacts.apt_mirror,
    "artifacts.mirror": lambda context: context.cluster.spec.artifacts.mirror,
    "artifacts.registry": lambda context: context.cluster.spec.artifacts.registry,
    "certificates": _policy,
    "cluster.name": lambda context: context.cluster.spec.name,
    "control_plane.addresses": lambda context: list(context.cluster.control_addresses),
    "control_plane.count": lambda context: context.cluster.spec.control_plane.count,
    "control_plane.load_balancer": lambda context: context.cluster.spec.control_plane.load_balancer,
    "expected.nodes": lambda _: NodeNames(),
    "group.labels": _labels,
    "group.name": lambda context: context.group,
    "group.taints": _taints,
    "group.version": _kubelet_version,
    "nodes.cidr": lambda context: str(context.cluster.spec.cloud.nodes),
    "orchestration.dns": lambda context: str(addresses.dns_address(_services(context))),
    "orchestration.service_address": lambda context: str(
        addresses.service_address(_services(context))
    ),
    "restore.request": lambda _: RESTORE,
    "restore.restored": lambda _: RESTORED,
    "rotation.authorities": lambda _: AUTHORITY_GENERATIONS,
    "rotation.certificates": lambda _: CERTIFICATES_GENERATION,
    "site.ca_certificates": lambda context: context.cluster.spec.site.ca_certificates.rstrip(),
    "site.ntp_servers": lambda context: context.cluster.spec.site.ntp_servers,
    "site.proxy": lambda context: site.proxy(context.cluster.spec),
    "stack.name": lambda _: STACK_NAME,
    "servers.addresses": lambda _: ServerAddresses(),
    "servers.names": lambda _: ServerNames(),
    "servers.rolls": _rolls,
    "servers.turns": lambda _: ServerTurns(),
}
_FAMILIES: dict[str, Callable[[str, BlockContext], Value]] = {
    "artifact": _artifact,
    "config": _config,
    "image": _image,
    "options": _own_option,
    "override": _override,
    "step": _step_output,
    "volume": _volume_id,
    "volumes": _has_volume,
}
