# SPDX-License-Identifier: Apache-2.0
"""Servers of a plan in HOT: control plane and workers with their ports and volumes."""

from collections.abc import Iterator
from typing import Any

from heatgen.blocks.boot import IGNITION, Boot
from heatgen.hot import names
from heatgen.hot.template import Expression, Resource, get_param, get_resource, list_join
from heatgen.layers import CONTROL, WORKER
from heatgen.plan import site
from heatgen.plan.model import ControlServer, Plan, Volume
from heatgen.render import api_endpoint, ignition, network
from heatgen.render.user_data import boothook
from heatgen.spec.machine import NO_GROUP, BootVolume, Machine
from heatgen.spec.model import Spec
from heatgen.spec.workers import WorkerGroup

POLLING = {"os-collect-config": {"polling_interval": 2}}
"""Server metadata: seconds between polls of the agent for new deployments."""
AGENT = names.agent()
"""The resource with the user data of the control plane; the only one without dependencies."""


def resources(plan: Plan) -> Iterator[tuple[str, Resource]]:
    """Yield the servers with their server groups, ports and volumes."""
    yield from _server_groups(plan.spec)
    for server in plan.control:
        yield from _control_server(plan, server)
    for group in plan.spec.workers:
        yield names.workers(group.name), _workers(plan, group)
    for volume in plan.volumes:
        yield from _volume(plan, volume)


def agents(plan: Plan) -> Iterator[tuple[str, Resource]]:
    """Yield the resources with user data, one for all groups whose servers start alike."""
    for group, boot in plan.boots.items():
        if group == _first_alike(plan, group):
            properties = {"group": "ungrouped", "config": _user_data(plan, boot)}
            yield user_data_name(plan, group), Resource("OS::Heat::SoftwareConfig", properties)


def user_data_name(plan: Plan, group: str) -> str:
    """Return the name of the resource with the user data of a group."""
    first = _first_alike(plan, group)
    return names.agent("" if first == CONTROL else plan.boots[first].system)


def _first_alike(plan: Plan, group: str) -> str:
    """Return the first group whose servers start like those of a group."""
    return next(name for name, boot in plan.boots.items() if boot == plan.boots[group])


def _user_data(plan: Plan, boot: Boot) -> str:
    authorities = site.certificates(plan.spec.site.ca_certificates)
    program = plan.agents[boot.agent]
    if boot.by == IGNITION:
        return ignition.user_data(boot, program, plan.agent_unit, authorities)
    return boothook(program, plan.agent_unit, authorities)


def _server_groups(spec: Spec) -> Iterator[tuple[str, Resource]]:
    """Yield the Nova server groups, which have affinity policies."""
    machines = {group.name: group.machine for group in spec.workers}
    if spec.control_plane.count > 1:
        machines = {CONTROL: spec.control_plane.machine, **machines}
    for group, machine in machines.items():
        if machine.server_group != NO_GROUP:
            properties = {"policies": [machine.server_group]}
            yield names.server_group(group), Resource("OS::Nova::ServerGroup", properties)


def _server(plan: Plan, group: str, machine: Machine, index: int | str) -> dict[str, Any]:
    """Return the properties that servers of all groups have."""
    name = list_join("-", [get_param("OS::stack_name"), group, str(index)])
    image = get_param(names.group_parameter(group, "image") if machine.image else "image")
    flavor = get_param(names.group_parameter(group, "flavor"))
    properties: dict[str, Any] = {"name": name}
    if machine.boot_volume:
        properties |= {
            "flavor": flavor,
            "block_device_mapping_v2": [_boot(machine.boot_volume, image)],
        }
    else:
        properties |= {"image": image, "flavor": flavor}
    if plan.spec.access.ssh_key:
        properties["key_name"] = get_param("key_name")
    if plan.spec.cloud.metadata:
        properties["metadata"] = dict(plan.spec.cloud.metadata)
    if plan.spec.cloud.tags:
        properties["tags"] = list(plan.spec.cloud.tags)
    if plan.spec.cloud.config_drive:
        properties["config_drive"] = True
    return properties | {
        "user_data": get_resource(user_data_name(plan, group)),
        "user_data_format": "SOFTWARE_CONFIG",
        # A new version of the agent must never replace a server.
        "user_data_update_policy": "IGNORE",
        "software_config_transport": "POLL_SERVER_HEAT",
    }


def _boot(volume: BootVolume, image: Expression) -> dict[str, Any]:
    """Return the boot volume of a server, which Nova creates and deletes with the server."""
    return {
        "boot_index": 0,
        "image": image,
        "volume_size": volume.size,
        **({"volume_type": volume.type} if volume.type else {}),
        "delete_on_termination": True,
    }


def _placement(spec: Spec, group: str, machine: Machine, index: int) -> dict[str, Any]:
    """Return the properties of a server's availability zone and server group."""
    properties: dict[str, Any] = {}
    if machine.zones:
        properties["availability_zone"] = machine.zones[index % len(machine.zones)]
    if names.server_group(group) in dict(_server_groups(spec)):
        properties["scheduler_hints"] = {"group": get_resource(names.server_group(group))}
    return properties


def _control_server(plan: Plan, server: ControlServer) -> Iterator[tuple[str, Resource]]:
    cloud, machine = plan.spec.cloud, plan.spec.control_plane.machine
    port = names.control_port(server.index)
    properties = {
        "security_groups": [get_resource(names.security_group(CONTROL))],
        **network.address_pairs((*api_endpoint.shared_addresses(plan), *plan.pair_networks)),
    }
    yield port, network.port(cloud, server.address, properties)
    own: dict[str, Any] = {
        "networks": [{"port": get_resource(port)}],
        **_placement(plan.spec, CONTROL, machine, server.index),
    }
    yield (
        names.control(server.index),
        Resource(
            "OS::Nova::Server",
            _server(plan, CONTROL, machine, server.index) | own,
            # Servers reach the metadata service and the internet through the router.
            depends_on=network.router_dependencies(cloud),
            metadata=POLLING,
        ),
    )


def _volume(plan: Plan, volume: Volume) -> Iterator[tuple[str, Resource]]:
    """Yield a data volume, which outlives the server, and its attachment to the server."""
    name = names.volume(volume.layer, volume.name, volume.index)
    server = names.control(volume.index)
    parts = [get_param("OS::stack_name"), CONTROL, str(volume.index), volume.layer, volume.name]
    properties: dict[str, Any] = {"name": list_join("-", parts), "size": volume.size}
    if volume.type:
        properties["volume_type"] = volume.type
    if volume.zone:
        properties["availability_zone"] = volume.zone
    if plan.spec.cloud.metadata:
        properties["metadata"] = dict(plan.spec.cloud.metadata)
    yield name, Resource("OS::Cinder::Volume", properties)
    attachment = {"instance_uuid": get_resource(server), "volume_id": get_resource(name)}
    yield (
        names.volume_attachment(volume.layer, volume.name, volume.index),
        Resource("OS::Cinder::VolumeAttachment", attachment),
    )


def _workers(plan: Plan, group: WorkerGroup) -> Resource:
    cloud = plan.spec.cloud
    nic: dict[str, Any] = {"network": network.network(cloud)}
    if cloud.subnet or plan.pair_networks:
        # An existing network can have other subnets. With a subnet, Heat creates the port.
        nic["subnet"] = network.subnet(cloud)
    if plan.pair_networks:
        nic["port_extra_properties"] = network.address_pairs(plan.pair_networks)
    member = Resource(
        "OS::Nova::Server",
        _server(plan, group.name, group.machine, "%index%")
        | {
            "networks": [nic],
            "security_groups": [get_resource(names.security_group(WORKER))],
            **_placement(plan.spec, group.name, group.machine, 0),
        },
        metadata=POLLING,
    )
    return Resource(
        "OS::Heat::ResourceGroup",
        {
            "count": get_param(names.group_parameter(group.name, "count")),
            # Heat never uses the index of a removed worker again.
            "removal_policies": [
                {"resource_list": get_param(names.group_parameter(group.name, "removed"))}
            ],
            "resource_def": member.as_dict(),
        },
        depends_on=(*network.router_dependencies(cloud), *_reservations(plan)),
    )


def _reservations(plan: Plan) -> tuple[str, ...]:
    """Return the ports that must exist before Neutron assigns addresses to workers.

    The allocation pool of an existing subnet may contain the planned addresses.
    """
    if not plan.spec.cloud.subnet or plan.spec.cloud.assigned:
        return ()
    ports = [names.control_port(server.index) for server in plan.control]
    return (*ports, *api_endpoint.reservation(plan))
