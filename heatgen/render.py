# SPDX-License-Identifier: Apache-2.0
"""The plan as a Heat template. Nothing is decided here; see :mod:`heatgen.plan`.

Names of resources, see :mod:`heatgen.names`, are for ever.
"""

from collections.abc import Iterator
from typing import Any

from heatgen import VERSION, names, outputs, userdata
from heatgen.firewall import Rule
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
    AdminRequest,
    ApiExternal,
    NodeNames,
    ServerAddresses,
    ServerNames,
    StepOutput,
    Value,
    as_text,
    control_addresses,
)
from heatgen.names import CONTROL, LAYERS, WORKER
from heatgen.plan import ControlServer, Deployment, Plan, StepConfig

POLLING = {"os-collect-config": {"polling_interval": 2}}
"""Server metadata: seconds between an agent's looks for new deployments."""

MAX_WORKERS = 1000


def render(plan: Plan) -> Template:
    """The template of a plan."""
    spec = plan.spec
    resources = dict(_network(plan))
    resources |= dict(_firewall(plan))
    resources["agent"] = _agent(plan)
    for server in plan.control:
        resources |= dict(_control_server(plan, server))
    resources["workers"] = _workers(plan)
    if spec.access.floating_ip:
        resources["api_floating_ip"] = _floating_ip()
    resources |= {config.name: _config(config) for config in plan.configs}
    resources |= {item.name: _deployment(plan, item) for item in plan.deployments}
    layers = ", ".join(f"{layer} {spec.layers[layer].use}" for layer in LAYERS)
    return Template(
        description=f"Kubernetes cluster {spec.name}: {layers}. Made by heatgen {VERSION}.",
        parameters=_parameters(plan),
        resources=resources,
        outputs=outputs.outputs(plan),
    )


def _parameters(plan: Plan) -> dict[str, Parameter]:
    spec = plan.spec

    def named(description: str, default: str, constraint: str) -> Parameter:
        return Parameter("string", description, default, ({"custom_constraint": constraint},))

    parameters = {
        "image": named("Image of the nodes", spec.cloud.image, "glance.image"),
        "control_flavor": named(
            "Flavor of control-plane nodes", spec.control_plane.flavor, "nova.flavor"
        ),
        "worker_flavor": named("Flavor of workers", spec.workers.flavor, "nova.flavor"),
        "external_network": named(
            "Network that the router and floating IPs hang on",
            spec.cloud.external_network,
            "neutron.network",
        ),
        "worker_count": Parameter(
            "number",
            "How many workers",
            spec.workers.count,
            ({"range": {"min": 0, "max": MAX_WORKERS}},),
        ),
        "admin_request": Parameter(
            "string",
            "Certificate request of the administrator (PEM); the key never comes here",
            plan.admin_request,
        ),
    }
    if spec.access.ssh_key:
        parameters["key_name"] = named("Key pair for SSH", spec.access.ssh_key, "nova.keypair")
    return parameters


def _network(plan: Plan) -> Iterator[tuple[str, Resource]]:
    """Network, subnet, and the router that leads out of it."""
    spec = plan.spec
    first, last = plan.pool
    subnet: dict[str, Any] = {
        "network": get_resource("network"),
        "cidr": str(spec.cloud.nodes),
        "allocation_pools": [{"start": str(first), "end": str(last)}],
    }
    if spec.cloud.dns:
        subnet["dns_nameservers"] = list(spec.cloud.dns)
    gateway = {"external_gateway_info": {"network": get_param("external_network")}}
    yield "network", Resource("OS::Neutron::Net", {})
    yield "subnet", Resource("OS::Neutron::Subnet", subnet)
    yield "router", Resource("OS::Neutron::Router", gateway)
    yield (
        "router_interface",
        Resource(
            "OS::Neutron::RouterInterface",
            {"router": get_resource("router"), "subnet": get_resource("subnet")},
        ),
    )


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
    text = userdata.boothook(plan.agent, plan.agent_unit)
    return Resource("OS::Heat::SoftwareConfig", {"group": "ungrouped", "config": text})


def _server(plan: Plan, role: str, index: int | str) -> dict[str, Any]:
    """What servers of both roles have in common."""
    name = list_join("-", [get_param("OS::stack_name"), role, str(index)])
    properties: dict[str, Any] = {
        "name": name,
        "image": get_param("image"),
        "flavor": get_param(f"{role}_flavor"),
    }
    if plan.spec.access.ssh_key:
        properties["key_name"] = get_param("key_name")
    return properties | {
        "user_data": get_resource("agent"),
        "user_data_format": "SOFTWARE_CONFIG",
        # A new agent text must never replace a server.
        "user_data_update_policy": "IGNORE",
        "software_config_transport": "POLL_SERVER_HEAT",
    }


def _control_server(plan: Plan, server: ControlServer) -> Iterator[tuple[str, Resource]]:
    port = names.control_port(server.index)
    fixed = {"subnet": get_resource("subnet"), "ip_address": str(server.address)}
    properties = {
        "network": get_resource("network"),
        "fixed_ips": [fixed],
        "security_groups": [get_resource(names.security_group(CONTROL))],
    }
    yield port, Resource("OS::Neutron::Port", properties)
    networks = {"networks": [{"port": get_resource(port)}]}
    yield (
        names.control(server.index),
        Resource(
            "OS::Nova::Server",
            _server(plan, CONTROL, server.index) | networks,
            # The metadata service and the way out go through the router.
            depends_on=("router_interface",),
            metadata=POLLING,
        ),
    )


def _workers(plan: Plan) -> Resource:
    member = Resource(
        "OS::Nova::Server",
        _server(plan, WORKER, "%index%")
        | {
            "networks": [{"network": get_resource("network")}],
            "security_groups": [get_resource(names.security_group(WORKER))],
        },
        metadata=POLLING,
    )
    return Resource(
        "OS::Heat::ResourceGroup",
        {"count": get_param("worker_count"), "resource_def": member.as_dict()},
        depends_on=("router_interface",),
    )


def _floating_ip() -> Resource:
    properties = {
        "floating_network": get_param("external_network"),
        "port_id": get_resource(names.control_port(0)),
    }
    return Resource("OS::Neutron::FloatingIP", properties, depends_on=("router_interface",))


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
        "config": config.script,
    }
    return Resource("OS::Heat::SoftwareConfig", properties)


def _deployment(plan: Plan, item: Deployment) -> Resource:
    properties: dict[str, Any] = {
        "name": item.name,
        "config": get_resource(item.config),
        "signal_transport": "HEAT_SIGNAL",
        "input_values": {name: _expression(plan, value) for name, value in item.inputs.items()},
    }
    if item.index is None:
        properties["servers"] = get_attr("workers", "refs_map")
        return Resource("OS::Heat::SoftwareDeploymentGroup", properties, depends_on=item.requires)
    properties["server"] = get_resource(names.control(item.index))
    return Resource("OS::Heat::SoftwareDeployment", properties, depends_on=item.requires)


def _expression(plan: Plan, value: Value) -> Expression:
    """A value of an input in HOT."""
    if isinstance(value, AdminRequest):
        return get_param("admin_request")
    if isinstance(value, ApiExternal):
        return get_attr("api_floating_ip", "floating_ip_address")
    if isinstance(value, NodeNames):
        return list_join(",", outputs.control_names(plan), get_attr("workers", "name"))
    if isinstance(value, ServerNames):
        return _server_map(plan, value.role, "name", outputs.control_names(plan))
    if isinstance(value, ServerAddresses):
        return _server_map(plan, value.role, "first_address", list(control_addresses(plan.spec)))
    if isinstance(value, StepOutput):
        return _step_output(plan, value)
    return as_text(value)


def _server_map(plan: Plan, role: str, attribute: str, of_control: list[Any]) -> Expression:
    """Map of index to something of a role's servers."""
    if role == WORKER:
        return get_attr("workers", "attributes", attribute)
    return {str(server.index): of_control[server.index] for server in plan.control}


def _step_output(plan: Plan, value: StepOutput) -> Expression:
    def of_control(index: int) -> Expression:
        return get_attr(names.step_deployment(value.layer, value.step, index), value.output)

    if not value.role:
        return of_control(0)
    if value.role == WORKER:
        return get_attr(names.step_deployment(value.layer, value.step, None), value.output)
    indices = [
        item.index
        for item in plan.deployments
        if (item.layer, item.step) == (value.layer, value.step) and item.index is not None
    ]
    return {str(index): of_control(index) for index in sorted(indices)}
