# SPDX-License-Identifier: Apache-2.0
"""What a stack tells about itself: where the API is, who may enter, which nodes, what to expect."""

from heatgen import names
from heatgen.hot import Expression, Output, get_attr, list_join
from heatgen.inputs import API_PORT, control_addresses
from heatgen.names import CONTROL, LAYERS, TRUST, WORKER
from heatgen.plan import Plan


def outputs(plan: Plan) -> dict[str, Output]:
    """The outputs of the stack by name."""
    spec = plan.spec
    host = (
        get_attr("api_floating_ip", "floating_ip_address")
        if spec.access.floating_ip
        else control_addresses(spec)[0]
    )
    sign = names.step_deployment(TRUST, "sign", 0)
    return {
        "api_endpoint": Output(
            "URL of the Kubernetes API",
            list_join("", ["https://", host, f":{API_PORT}"]),
        ),
        "ca_certificate": Output(
            "Certificate of the cluster's authority (PEM)", get_attr(sign, "ca_kubernetes")
        ),
        "admin_certificate": Output(
            "Certificate of the administrator (PEM); its key is where the request was made",
            get_attr(sign, "admin_certificate"),
        ),
        "nodes": Output("Every node: name to address and role", _nodes(plan)),
        "conformance": Output("What the suite shall find", _conformance(plan)),
    }


def control_names(plan: Plan) -> list[Expression]:
    """Names of the control-plane nodes, in order."""
    return [get_attr(names.control(server.index), "name") for server in plan.control]


def _nodes(plan: Plan) -> Expression:
    """Map of node name to address and role."""
    return {
        "map_merge": [
            _node_map(CONTROL, control_names(plan), list(control_addresses(plan.spec))),
            _node_map(WORKER, get_attr("workers", "name"), get_attr("workers", "first_address")),
        ]
    }


def _node_map(role: str, node_names: Expression, node_addresses: Expression) -> Expression:
    repeat = {
        "template": {"<name>": {"address": "<address>", "role": role}},
        "for_each": {"<name>": node_names, "<address>": node_addresses},
        "permutations": False,
    }
    return {"map_merge": {"repeat": repeat}}


def _conformance(plan: Plan) -> Expression:
    """What the suite compares the cluster with (``--expect``)."""
    spec = plan.spec
    options = {layer: spec.layers[layer].options for layer in LAYERS}
    blocks = {layer: spec.layers[layer].use for layer in LAYERS}
    networks = {
        "nodes": str(spec.cloud.nodes),
        "pods": options["network"].get("pods"),
        "services": options["orchestration"].get("services"),
        "dns": plan.dns,
    }
    versions = {
        blocks[layer]: options[layer]["version"] for layer in LAYERS if "version" in options[layer]
    }
    return {
        "version": 1,
        "cluster": spec.name,
        "nodes": _nodes(plan),
        "versions": versions,
        "networks": {name: value for name, value in networks.items() if value},
        "blocks": blocks,
        **plan.facts,
    }
