# SPDX-License-Identifier: Apache-2.0
"""The plan as a Heat template. Nothing is decided here; see :mod:`heatgen.plan`.

Names of resources, see :mod:`heatgen.names`, are for ever.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from heatgen import VERSION, endpoint, names, network, outputs, resolve, site, userdata
from heatgen.firewall import Rule
from heatgen.groups import WorkerGroup
from heatgen.hot import (
    Expression,
    Parameter,
    Resource,
    Template,
    get_attr,
    get_param,
    get_resource,
    list_join,
)
from heatgen.inputs import (
    ADMIN_REQUEST,
    AUTHORITY_GENERATIONS,
    CERTIFICATES_GENERATION,
    ApiExternal,
    NodeNames,
    ServerAddresses,
    ServerNames,
    StackParameter,
    StepOutput,
    Value,
    VolumeId,
    as_text,
    control_addresses,
)
from heatgen.machine import NO_GROUP, BootVolume, Machine
from heatgen.names import CONTROL, LAYERS, WORKER
from heatgen.plan import ControlServer, Deployment, Plan, StepConfig, Volume
from heatgen.spec import Spec

POLLING = {"os-collect-config": {"polling_interval": 2}}
"""Server metadata: seconds between an agent's looks for new deployments."""

AGENT = "agent"
"""The resource with the user data of all servers; the only one that waits for no other."""

STEP_LIBRARY = "step_library"
"""The resource that holds once the library of all steps, which first steps install."""

TEXTS = "texts"
"""The resource that holds once what several deployments get: units, manifests, configurations."""

SHARED_FROM = 400
"""Characters from which a text is worth holding apart."""

MAX_WORKERS = 1000


def render(plan: Plan) -> Template:
    """The template of a plan."""
    spec = plan.spec
    resources = dict(network.resources(spec.cloud, plan.pool))
    resources |= dict(_firewall(plan))
    resources[AGENT] = _agent(plan)
    resources[STEP_LIBRARY] = Resource("OS::Heat::Value", {"type": "string", "value": plan.library})
    resources |= dict(_server_groups(spec))
    for server in plan.control:
        resources |= dict(_control_server(plan, server))
    for group in spec.workers:
        resources[names.workers(group.name)] = _workers(plan, group)
    for volume in plan.volumes:
        resources |= dict(_volume(plan, volume))
    resources |= endpoint.resources(spec)
    resources |= {config.name: _config(config) for config in plan.configs}
    texts = _shared_texts(plan)
    resources[TEXTS] = Resource("OS::Heat::Value", {"type": "json", "value": _by_key(texts)})
    resources |= {item.name: _deployment(plan, item, texts) for item in plan.deployments}
    layers = ", ".join(f"{layer} {spec.layers[layer].use}" for layer in LAYERS)
    return Template(
        description=f"Kubernetes cluster {spec.name}: {layers}. Made by heatgen {VERSION}.",
        parameters=_parameters(plan),
        resources={name: _behind_agent(name, item) for name, item in resources.items()},
        outputs=outputs.outputs(plan),
    )


def _behind_agent(name: str, resource: Resource) -> Resource:
    """The resource; one that waits for no other waits for the agent's text, made in no time.

    Heat starts those that wait for none one by one, a second apart (``Stack.converge_stack``), and
    all at once those that waited for one: the last of twenty would begin after twenty seconds.
    """
    waits = resource.depends_on or any(resolve.references(dict(resource.properties)))
    return resource if waits or name == AGENT else replace(resource, depends_on=(AGENT,))


def _parameters(plan: Plan) -> dict[str, Parameter]:
    spec = plan.spec
    parameters = {
        "image": _named("Image of the nodes", spec.cloud.image, "glance.image"),
        **_group_parameters(CONTROL, "control-plane nodes", spec.control_plane.machine),
    }
    for group in spec.workers:
        parameters |= _group_parameters(group.name, _members(group), group.machine)
    parameters |= network.parameters(spec.cloud)
    for group in spec.workers:
        parameters[names.group_parameter(group.name, "count")] = Parameter(
            "number",
            f"How many {_members(group)}",
            group.count,
            ({"range": {"min": 0, "max": MAX_WORKERS}},),
        )
    parameters |= _trust_parameters(plan.admin_request)
    if spec.access.ssh_key:
        parameters["key_name"] = _named("Key pair for SSH", spec.access.ssh_key, "nova.keypair")
    return parameters


def _members(group: WorkerGroup) -> str:
    """What people call the servers of a group."""
    return "workers" if group.name == WORKER else f"workers of group {group.name}"


def _named(description: str, default: str, constraint: str) -> Parameter:
    """A parameter that names something of the cloud."""
    return Parameter("string", description, default, ({"custom_constraint": constraint},))


def _group_parameters(group: str, what: str, machine: Machine) -> dict[str, Parameter]:
    """What the servers of a group are made of; an image only if it is not that of all."""
    parameters = {
        names.group_parameter(group, "flavor"): _named(
            f"Flavor of {what}", machine.flavor, "nova.flavor"
        )
    }
    if machine.image:
        parameters[names.group_parameter(group, "image")] = _named(
            f"Image of {what}", machine.image, "glance.image"
        )
    return parameters


def _trust_parameters(admin_request: str) -> dict[str, Parameter]:
    """What 'heatgen kubeconfig --renew' and 'heatgen rotate' change."""
    return {
        ADMIN_REQUEST.name: Parameter(
            "string",
            "Certificate request of the administrator (PEM); the key never comes here",
            admin_request,
        ),
        CERTIFICATES_GENERATION.name: Parameter(
            "number",
            "When it is raised, every certificate is made anew: heatgen rotate certificates",
            1,
            ({"range": {"min": 1}},),
        ),
        AUTHORITY_GENERATIONS.name: Parameter(
            "string",
            "Authorities that are trusted, the first signs: heatgen rotate authorities",
            "1",
            ({"allowed_pattern": "[1-9][0-9]*(,[1-9][0-9]*)?"},),
        ),
    }


def _firewall(plan: Plan) -> Iterator[tuple[str, Resource]]:
    """A security group for each role.

    The groups name each other. Heat cannot make two resources that wait for each other, so the
    rules for workers from control-plane nodes are resources of their own.
    """
    apart = [rule for rule in plan.rules if (rule.role, rule.from_role) == (WORKER, CONTROL)]
    for role in (WORKER, CONTROL):
        rules = [rule for rule in plan.rules if rule.role == role and rule not in apart]
        group: dict[str, Any] = {
            "description": f"heatgen: {role} nodes of {plan.spec.name}",
            "rules": [_rule(rule) for rule in rules],
        }
        yield names.security_group(role), Resource("OS::Neutron::SecurityGroup", group)
    for rule in apart:
        properties: dict[str, Any] = {
            "security_group": get_resource(names.security_group(WORKER)),
            "remote_group": get_resource(names.security_group(CONTROL)),
            **_traffic(rule),
        }
        name = names.security_rule(WORKER, CONTROL, rule.protocol, rule.first, rule.last)
        yield name, Resource("OS::Neutron::SecurityGroupRule", properties)


def _rule(rule: Rule) -> dict[str, Any]:
    """A rule inside a security group."""
    if rule.from_network:
        return {**_traffic(rule), "remote_ip_prefix": rule.from_network}
    origin: dict[str, Any] = {"remote_mode": "remote_group_id"}
    if rule.from_role != rule.role:
        origin["remote_group_id"] = get_resource(names.security_group(rule.from_role))
    return {**_traffic(rule), **origin}


def _traffic(rule: Rule) -> dict[str, Any]:
    ports = {"port_range_min": rule.first, "port_range_max": rule.last} if rule.first else {}
    return {"protocol": rule.protocol, **ports}


def _agent(plan: Plan) -> Resource:
    """User data as a resource of its own, so that the text is there once for all servers."""
    authorities = site.certificates(plan.spec.site.ca_certificates)
    text = userdata.boothook(plan.agent, plan.agent_unit, authorities)
    return Resource("OS::Heat::SoftwareConfig", {"group": "ungrouped", "config": text})


def _server_groups(spec: Spec) -> Iterator[tuple[str, Resource]]:
    """What keeps servers on hosts apart (or together) as far as there are hosts."""
    machines = {group.name: group.machine for group in spec.workers}
    if spec.control_plane.count > 1:
        machines = {CONTROL: spec.control_plane.machine, **machines}
    for group, machine in machines.items():
        if machine.server_group != NO_GROUP:
            properties = {"policies": [machine.server_group]}
            yield names.server_group(group), Resource("OS::Nova::ServerGroup", properties)


def _server(plan: Plan, group: str, machine: Machine, index: int | str) -> dict[str, Any]:
    """What servers of all groups have in common."""
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
    return properties | {
        "user_data": get_resource(AGENT),
        "user_data_format": "SOFTWARE_CONFIG",
        # A new agent text must never replace a server.
        "user_data_update_policy": "IGNORE",
        "software_config_transport": "POLL_SERVER_HEAT",
    }


def _boot(volume: BootVolume, image: Expression) -> dict[str, Any]:
    """The volume that a server boots from, made by Nova and gone with the server."""
    return {
        "boot_index": 0,
        "image": image,
        "volume_size": volume.size,
        **({"volume_type": volume.type} if volume.type else {}),
        "delete_on_termination": True,
    }


def _place(spec: Spec, group: str, machine: Machine, index: int) -> dict[str, Any]:
    """Where a server stands: its zone and the hosts that its server group leaves."""
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
        **endpoint.port_properties(plan.spec),
    }
    yield port, network.port(cloud, str(server.address), properties)
    own: dict[str, Any] = {
        "networks": [{"port": get_resource(port)}],
        **_place(plan.spec, CONTROL, machine, server.index),
    }
    yield (
        names.control(server.index),
        Resource(
            "OS::Nova::Server",
            _server(plan, CONTROL, machine, server.index) | own,
            # The metadata service and the way out go through the router.
            depends_on=network.way_out(cloud),
            metadata=POLLING,
        ),
    )


def _volume(plan: Plan, volume: Volume) -> Iterator[tuple[str, Resource]]:
    """A volume of a control-plane node's own, and its attachment; it outlives the server."""
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
    nic = {"network": network.network(cloud)}
    if cloud.subnet:
        # A network that is there may have other subnets, too.
        nic["subnet"] = network.subnet(cloud)
    member = Resource(
        "OS::Nova::Server",
        _server(plan, group.name, group.machine, "%index%")
        | {
            "networks": [nic],
            "security_groups": [get_resource(names.security_group(WORKER))],
            **_place(plan.spec, group.name, group.machine, 0),
        },
        metadata=POLLING,
    )
    return Resource(
        "OS::Heat::ResourceGroup",
        {
            "count": get_param(names.group_parameter(group.name, "count")),
            "resource_def": member.as_dict(),
        },
        depends_on=network.way_out(cloud),
    )


def _config(config: StepConfig) -> Resource:
    outputs: list[dict[str, Any]] = [
        {"name": name, "description": description} for name, description in config.outputs.items()
    ]
    # An output of this kind that has a value makes the deployment fail, with the value as reason.
    outputs.append({"name": "problem", "description": "why it failed", "error_output": True})
    properties = {
        "group": "script",
        "inputs": [{"name": name, "type": kind} for name, kind in config.inputs.items()],
        "outputs": outputs,
        "config": config.script[0]
        if len(config.script) == 1
        else list_join("", [config.script[0], get_attr(STEP_LIBRARY, "value"), config.script[1]]),
    }
    return Resource("OS::Heat::SoftwareConfig", properties)


def _shared_texts(plan: Plan) -> dict[tuple[str, str], str]:
    """Keys of the texts that several deployments get, by name of the input and text.

    A key is layer and input; where groups get different texts, with the group's name behind it.
    """
    users: dict[tuple[str, str], list[Deployment]] = {}
    for item in plan.deployments:
        for name, value in item.inputs.items():
            if isinstance(value, str) and len(value) >= SHARED_FROM:
                users.setdefault((name, value), []).append(item)
    keys: dict[tuple[str, str], str] = {}
    for (name, text), items in users.items():
        if len(items) > 1:
            key = f"{items[0].layer}_{name.lower()}"
            taken = key in keys.values()
            keys[name, text] = f"{key}_{items[0].group}" if taken else key
    return keys


def _by_key(texts: Mapping[tuple[str, str], str]) -> dict[str, str]:
    return {key: text for (_, text), key in sorted(texts.items(), key=lambda item: item[1])}


def _deployment(plan: Plan, item: Deployment, texts: Mapping[tuple[str, str], str]) -> Resource:
    values = {
        name: get_attr(TEXTS, "value", texts[name, value])
        if isinstance(value, str) and (name, value) in texts
        else _expression(plan, value, item.index)
        for name, value in item.inputs.items()
    }
    attachments = [
        names.volume_attachment(value.layer, value.name, item.index)
        for value in item.inputs.values()
        if isinstance(value, VolumeId) and item.index is not None
    ]
    requires = (*item.requires, *attachments)
    properties: dict[str, Any] = {
        "name": item.name,
        "config": get_resource(item.config),
        "signal_transport": "HEAT_SIGNAL",
        "input_values": values,
    }
    if item.index is None:
        properties["servers"] = get_attr(names.workers(item.group), "refs_map")
        return Resource("OS::Heat::SoftwareDeploymentGroup", properties, depends_on=requires)
    properties["server"] = get_resource(names.control(item.index))
    return Resource("OS::Heat::SoftwareDeployment", properties, depends_on=requires)


def _expression(plan: Plan, value: Value, index: int | None) -> Expression:
    """A value of an input in HOT, for control-plane node ``index`` or (None) a group of workers."""
    if isinstance(value, StackParameter):
        return get_param(value.name)
    if isinstance(value, ApiExternal):
        return get_attr("api_floating_ip", "floating_ip_address")
    if isinstance(value, VolumeId) and index is not None:
        return get_resource(names.volume(value.layer, value.name, index))
    if isinstance(value, NodeNames):
        groups = [get_attr(names.workers(group.name), "name") for group in plan.spec.workers]
        return list_join(",", outputs.control_names(plan), *groups)
    if isinstance(value, ServerNames):
        return _server_map(plan, "name", outputs.control_names(plan))
    if isinstance(value, ServerAddresses):
        return _server_map(plan, "first_address", list(control_addresses(plan.spec)))
    if isinstance(value, StepOutput):
        return _step_output(plan, value)
    return as_text(value)


def _server_map(plan: Plan, attribute: str, of_control: list[Any]) -> Expression:
    """Map of group to map of index to something of its servers."""
    workers = {
        group.name: get_attr(names.workers(group.name), "attributes", attribute)
        for group in plan.spec.workers
    }
    control = {str(server.index): of_control[server.index] for server in plan.control}
    return {CONTROL: control, **workers}


def _step_output(plan: Plan, value: StepOutput) -> Expression:
    """Outputs of a step's deployments; none if the step is switched off."""
    control: dict[str, Expression] = {}
    workers: dict[str, Expression] = {}
    for item in plan.deployments:
        if (item.layer, item.step) != (value.layer, value.step):
            continue
        if item.index is None:
            workers[item.group] = get_attr(item.name, value.output)
        else:
            control[str(item.index)] = get_attr(item.name, value.output)
    if not value.scope:
        return control.get("0", "")
    if value.scope == CONTROL:
        return control
    return {**({CONTROL: control} if control else {}), **workers}
