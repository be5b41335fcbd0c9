# SPDX-License-Identifier: Apache-2.0
"""Summary of a plan as plain mappings and lists, for ``heatgen plan``."""

from collections.abc import Iterator
from typing import Any

from heatgen.layers import CONTROL, LAYERS
from heatgen.plan import assigned
from heatgen.plan.inputs import ApiExternal
from heatgen.plan.model import Deployment, Plan
from heatgen.plan.security_groups import Rule
from heatgen.render import heat_limits
from heatgen.spec.machine import Machine
from heatgen.spec.model import Cloud

Row = dict[str, Any]


def summarize(plan: Plan, template: dict[str, Any]) -> dict[str, Any]:
    """Return the sections of a plan's summary.

    Args:
        plan: the plan.
        template: its template as sent to Heat.
    """
    return {
        "cluster": _cluster(plan),
        "networks": _networks(plan),
        "servers": [*_control(plan), *_workers(plan)],
        "rules": [_rule(rule) for rule in plan.rules],
        "steps": _steps(plan),
        "deployments": _deployments(plan),
        "artifacts": [{"url": url, "sha256": digest} for url, digest in plan.artifacts.items()],
        "images": list(plan.images),
        "limits": [
            {
                "what": item.what,
                "used": item.used,
                "limit": item.limit,
                "free": item.limit - item.used,
            }
            for item in heat_limits.usage(plan, template)
        ],
        "largest": [
            {"group": item.group, "count": item.count, "stopped_by": item.stopped_by}
            for item in heat_limits.largest(plan, heat_limits.types(template))
        ],
    }


def _cluster(plan: Plan) -> Row:
    layers = {layer: plan.spec.layers[layer] for layer in LAYERS}
    versions = {name: layer.options.get("version", "") for name, layer in layers.items()}
    return {
        "name": plan.spec.name,
        **{name: f"{layer.use} {versions[name]}".rstrip() for name, layer in layers.items()},
    }


def _networks(plan: Plan) -> Row:
    """Return the networks and fixed addresses of the cluster."""
    spec = plan.spec
    options = {layer: spec.layers[layer].options for layer in LAYERS}
    found = {
        "nodes": str(spec.cloud.nodes),
        "handed out to workers": "from the subnet"
        if plan.pool is None
        else f"{plan.pool[0]} to {plan.pool[1]}",
        "pods": options["network"].get("pods", ""),
        "services": options["orchestration"].get("services", ""),
        "API within": assigned.shown(plan.api_host),
        "API from outside": _external(plan),
        "DNS": plan.dns,
    }
    return {name: value for name, value in found.items() if value}


def _external(plan: Plan) -> str:
    """Return the host of the API for users."""
    if plan.spec.access.endpoint:
        return plan.spec.access.endpoint.host
    if isinstance(plan.api_external, ApiExternal):
        return "a floating IP"
    return assigned.shown(plan.api_external)


def _control(plan: Plan) -> Iterator[Row]:
    cloud, machine = plan.spec.cloud, plan.spec.control_plane.machine
    for server in plan.control:
        zone = machine.zones[server.index % len(machine.zones)] if machine.zones else ""
        volumes = [f"{volume.layer} {volume.name} {volume.size} GiB"
                   for volume in plan.volumes if volume.index == server.index]  # fmt: skip
        yield {
            "server": f"STACK-{CONTROL}-{server.index}",
            "count": 1,
            "address": assigned.shown(server.address),
            **_machine(cloud, machine, zone),
            "volumes": ", ".join([*_boot(machine), *volumes]),
        }


def _workers(plan: Plan) -> Iterator[Row]:
    for group in plan.spec.workers:
        machine = group.machine
        yield {
            "server": f"STACK-{group.name}-*",
            "count": group.count,
            "address": "from the subnet",
            **_machine(plan.spec.cloud, machine, machine.zones[0] if machine.zones else ""),
            "volumes": ", ".join(_boot(machine)),
        }


def _machine(cloud: Cloud, machine: Machine, zone: str) -> Row:
    return {"flavor": machine.flavor, "image": machine.image or cloud.image, "zone": zone}


def _boot(machine: Machine) -> list[str]:
    return [f"boot {machine.boot_volume.size} GiB"] if machine.boot_volume else []


def _rule(rule: Rule) -> Row:
    ports = str(rule.first) if rule.first == rule.last else f"{rule.first}-{rule.last}"
    return {
        "to": rule.role,
        "from": rule.from_role or rule.from_network,
        "protocol": rule.protocol,
        "ports": ports if rule.first else "",
        "why": rule.why,
    }


def _steps(plan: Plan) -> list[Row]:
    """Return the deployments by step and round: their servers, and the steps they depend on."""
    by_name = {item.name: item for item in plan.deployments}
    rounds = _rounds(plan)
    found: dict[tuple[int, str], list[Deployment]] = {}
    for item in plan.deployments:
        found.setdefault((rounds[item.name], _step(item)), []).append(item)
    return [
        {
            "round": number,
            "step": step,
            "on": [_server(item) for item in items],
            "after": sorted({_step(by_name[name]) for item in items for name in item.requires}),
        }
        for (number, step), items in sorted(found.items(), key=lambda entry: entry[0][0])
    ]


def _rounds(plan: Plan) -> dict[str, int]:
    """Return the round of each deployment: it depends only on deployments of earlier rounds."""
    rounds: dict[str, int] = {}
    for item in plan.deployments:
        rounds[item.name] = 1 + max((rounds[name] for name in item.requires), default=0)
    return rounds


def _step(item: Deployment) -> str:
    return f"{item.layer}/{item.step}"


def _deployments(plan: Plan) -> list[Row]:
    rounds = _rounds(plan)
    return [
        {
            "round": rounds[item.name],
            "deployment": item.name,
            "step": _step(item),
            "on": _server(item),
            "after": list(item.requires),
        }
        for item in sorted(plan.deployments, key=lambda item: rounds[item.name])
    ]


def _server(item: Deployment) -> str:
    if item.index is None:
        return f"{item.group}-*"
    return f"{item.group}-{item.index}"
