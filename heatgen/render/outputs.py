# SPDX-License-Identifier: Apache-2.0
"""Outputs of the stack: API endpoint, certificates, nodes, facts for the conformance suite."""

from collections.abc import Mapping

from heatgen.hot import names
from heatgen.hot.template import Expression, Output, get_attr, list_join
from heatgen.layers import CONTROL, LAYERS, OS, RUNTIME, TRUST, role_of
from heatgen.plan import restore, rotation
from heatgen.plan.inputs import API_PORT, ApiExternal
from heatgen.plan.model import Plan
from heatgen.spec.workers import LayerChoice


def outputs(plan: Plan) -> dict[str, Output]:
    """Return the outputs of the stack by name."""
    sign = names.step_deployment(TRUST, "sign", CONTROL, 0)
    return {
        "api_endpoint": Output("URL of the Kubernetes API", _endpoint(plan)),
        "ca_certificate": Output(
            "CA certificates of the cluster (PEM), the signing one first",
            get_attr(sign, "ca_kubernetes"),
        ),
        "admin_certificate": Output(
            "Certificate of the administrator (PEM), for the key of the certificate request",
            get_attr(sign, "admin_certificate"),
        ),
        **{
            name: Output(f"State of the cluster's {name.replace('_', ' ')}", get_attr(sign, name))
            for name in rotation.OUTPUTS
        },
        **_backups(plan),
        "nodes": Output("Every node: address, role, group, system, user, runtime", _nodes(plan)),
        "conformance": Output("Facts for the conformance suite", _conformance(plan)),
    }


def _backups(plan: Plan) -> dict[str, Output]:
    """Return what the control-plane nodes report about backups and restores, by index."""
    return {
        name: Output(text, {str(item.index): get_attr(item.name, name) for item in steps})
        for name, text in restore.OUTPUTS.items()
        if (steps := plan.by_step.get(restore.STEP))
    }


def control_names(plan: Plan) -> list[Expression]:
    """Return the names of the control-plane nodes, in order."""
    return [get_attr(names.control(server.index), "name") for server in plan.control]


def _endpoint(plan: Plan) -> Expression:
    """Return the URL of the API for users."""
    endpoint = plan.spec.access.endpoint
    if endpoint:
        return f"https://{endpoint.host}:{endpoint.port or API_PORT}"
    host: Expression = plan.api_external
    if isinstance(host, ApiExternal):
        host = get_attr("api_floating_ip", "floating_ip_address")
    return list_join("", ["https://", host, f":{API_PORT}"])


def _nodes(plan: Plan) -> Expression:
    """Return a map of node names to addresses, roles, groups, systems and runtimes."""
    spec = plan.spec
    control = _node_map(
        CONTROL,
        spec.layers,
        control_names(plan),
        plan.control_addresses,
        spec.kubelet_version(CONTROL),
    )
    workers = [
        _node_map(
            group.name,
            group.layers,
            get_attr(names.workers(group.name), "name"),
            get_attr(names.workers(group.name), "first_address"),
            spec.kubelet_version(group.name),
        )
        for group in spec.workers
    ]
    return {"map_merge": [control, *workers]}


def _node_map(
    group: str,
    layers: Mapping[str, LayerChoice],
    node_names: Expression,
    node_addresses: Expression,
    version: str = "",
) -> Expression:
    system = layers[OS]
    node = {
        "address": "<address>",
        "role": role_of(group),
        "group": group,
        "os": system.use,
        # Blocks of other folders may not have the option.
        **({"user": system.options["user"]} if "user" in system.options else {}),
        "runtime": layers[RUNTIME].use,
        **({"kubernetes": version} if version else {}),
    }
    repeat = {
        "template": {"<name>": node},
        "for_each": {"<name>": node_names, "<address>": node_addresses},
        "permutations": False,
    }
    return {"map_merge": {"repeat": repeat}}


def _conformance(plan: Plan) -> Expression:
    """Return the facts that the conformance suite expects (``--expect``)."""
    spec = plan.spec
    options = {layer: spec.layers[layer].options for layer in LAYERS}
    blocks = {layer: spec.layers[layer].use for layer in LAYERS}
    networks = {
        "nodes": str(spec.cloud.nodes),
        "pods": options["network"].get("pods"),
        "services": options["orchestration"].get("services"),
        "dns": plan.dns,
    }
    uses = [*spec.layers.values()]
    uses += [use for group in spec.workers for use in group.layers.values()]
    versions = {use.use: use.options["version"] for use in uses if "version" in use.options}
    if spec.emulated:
        versions["kubernetes-emulated"] = spec.emulated
    servers = [f"https://{address}:{API_PORT}" for address in plan.control_addresses]
    taints = {group.name: list(group.taints) for group in spec.workers if group.taints}
    return {
        "version": 1,
        "cluster": spec.name,
        "nodes": _nodes(plan),
        "api": {
            "endpoint": _endpoint(plan),
            "servers": servers,
            "load_balancer": spec.control_plane.load_balancer,
        },
        "versions": versions,
        "networks": {name: value for name, value in networks.items() if value},
        "blocks": blocks,
        **({"taints": taints} if taints else {}),
        **plan.facts,
    }
