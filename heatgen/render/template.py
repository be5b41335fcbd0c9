# SPDX-License-Identifier: Apache-2.0
"""Renderer of a plan as a Heat template. All decisions are in :mod:`heatgen.plan`.

Names of resources (:mod:`heatgen.hot.names`) must never change.
"""

from collections.abc import Sequence
from dataclasses import replace

from heatgen import VERSION
from heatgen.hot import names, resolve
from heatgen.hot.template import Parameter, Resource, Template
from heatgen.layers import CONTROL, LAYERS, WORKER
from heatgen.plan import restore
from heatgen.plan.inputs import (
    ADMIN_REQUEST,
    AUTHORITY_GENERATIONS,
    BACKUP_CERTIFICATE,
    CERTIFICATES_GENERATION,
    RESTORE,
    RESTORED,
    StackParameter,
)
from heatgen.plan.model import Plan
from heatgen.render import (
    api_endpoint,
    assigned_addresses,
    deployments,
    heat_limits,
    network,
    outputs,
    security_groups,
    servers,
)
from heatgen.render.deployments import STEP_LIBRARY
from heatgen.render.servers import AGENT
from heatgen.spec.machine import Machine
from heatgen.spec.workers import WorkerGroup


def render(plan: Plan) -> Template:
    """Return the template of a plan."""
    spec = plan.spec
    resources = dict(network.resources(spec.cloud, plan.pool))
    resources |= dict(security_groups.resources(plan))
    resources |= dict(servers.agents(plan))
    resources[STEP_LIBRARY] = deployments.library(plan)
    resources |= dict(servers.resources(plan))
    resources |= api_endpoint.resources(plan)
    resources |= dict(deployments.resources(plan))
    results = outputs.outputs(plan)
    if spec.cloud.assigned:
        resources = {name: _with_addresses(item) for name, item in resources.items()}
        results = {
            name: replace(item, value=assigned_addresses.resolved(item.value))
            for name, item in results.items()
        }
    layers = ", ".join(f"{layer} {spec.layers[layer].use}" for layer in LAYERS)
    return Template(
        description=f"Kubernetes cluster {spec.name}: {layers}. Made by heatgen {VERSION}.",
        parameters=_parameters(plan, [item.kind for item in resources.values()]),
        resources={name: _after_agent(name, item) for name, item in resources.items()},
        outputs=results,
    )


def _with_addresses(resource: Resource) -> Resource:
    """Return a resource with attributes instead of marks of addresses that Neutron assigns."""
    return replace(resource, properties=assigned_addresses.resolved(resource.properties))


def _after_agent(name: str, resource: Resource) -> Resource:
    """Make a resource without dependencies depend on the agent's config, which is created at once.

    Heat starts resources without dependencies one per second (``Stack.converge_stack``), so that
    the last of twenty would start after twenty seconds; resources with dependencies start together.
    """
    dependent = resource.depends_on or any(resolve.references(dict(resource.properties)))
    return resource if dependent or name == AGENT else replace(resource, depends_on=(AGENT,))


def _parameters(plan: Plan, types: Sequence[str]) -> dict[str, Parameter]:
    """Return the parameters, given the types of the resources."""
    spec = plan.spec
    largest = {item.group: item.count for item in heat_limits.largest(plan, types)}
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
            f"Number of {_members(group)}",
            group.count,
            ({"range": {"min": 0, "max": max(group.count, largest[group.name])}},),
        )
        parameters[names.group_parameter(group.name, "removed")] = Parameter(
            "comma_delimited_list",
            f"Indices of removed {_members(group)}",
            "",
        )
    parameters |= _trust_parameters(plan.admin_request)
    parameters |= _backup_parameters(plan)
    if spec.access.ssh_key:
        parameters["key_name"] = _named("Key pair for SSH", spec.access.ssh_key, "nova.keypair")
    return parameters


def _members(group: WorkerGroup) -> str:
    """Return the term for the servers of a group."""
    return "workers" if group.name == WORKER else f"workers of group {group.name}"


def _named(description: str, default: str, constraint: str) -> Parameter:
    """Return a parameter with the name of a resource of the cloud."""
    return Parameter("string", description, default, ({"custom_constraint": constraint},))


def _group_parameters(group: str, what: str, machine: Machine) -> dict[str, Parameter]:
    """Return the flavor of a group's servers, and the image if the group has its own."""
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


def _backup_parameters(plan: Plan) -> dict[str, Parameter]:
    """Return the parameters of backups that steps use."""
    phase = f"[0-9a-f]{{{restore.ID_LENGTH}}} ({'|'.join(restore.PHASES)})"
    known = {
        BACKUP_CERTIFICATE.name: Parameter(
            "string",
            "Certificate (PEM) of the key that opens backups of etcd, never the key",
            plan.backup_certificate,
        ),
        RESTORE.name: Parameter(
            "string",
            "Phase of a restore of etcd from a backup: heatgen restore",
            "",
            ({"allowed_pattern": f"({phase}( [^ ]+ [^ ]+ [0-9a-f]{{64}})?)?"},),
        ),
        RESTORED.name: Parameter(
            "string",
            "Last restore of etcd, after which programs have restarted: heatgen restore",
            "",
            ({"allowed_pattern": f"([0-9a-f]{{{restore.ID_LENGTH}}})?"},),
        ),
    }
    used = {
        value.name
        for item in plan.deployments
        for value in item.inputs.values()
        if isinstance(value, StackParameter)
    }
    return {name: item for name, item in known.items() if name in used}


def _trust_parameters(admin_request: str) -> dict[str, Parameter]:
    """Return the parameters that 'heatgen kubeconfig --renew' and 'heatgen rotate' change."""
    return {
        ADMIN_REQUEST.name: Parameter(
            "string",
            "Certificate request of the administrator (PEM), never the key",
            admin_request,
        ),
        CERTIFICATES_GENERATION.name: Parameter(
            "number",
            "Generation of certificates, a higher one renews all: heatgen rotate certificates",
            1,
            ({"range": {"min": 1}},),
        ),
        AUTHORITY_GENERATIONS.name: Parameter(
            "string",
            "Generations of trusted authorities, the first signs: heatgen rotate authorities",
            "1",
            ({"allowed_pattern": "[1-9][0-9]*(,[1-9][0-9]*)?"},),
        ),
    }
