# SPDX-License-Identifier: Apache-2.0
"""How the API is reached: at the first control-plane node, at an address that moves, by Octavia.

The address is planned in all cases (:attr:`heatgen.plan.model.Plan.api_host`); a floating IP is
associated with its port.
"""

from collections.abc import Iterator
from typing import Any

from heatgen.hot import names
from heatgen.hot.template import Expression, Resource, get_attr, get_param, get_resource
from heatgen.layers import CONTROL
from heatgen.plan.inputs import API_PORT
from heatgen.plan.model import Plan
from heatgen.render import network
from heatgen.spec.model import OCTAVIA, VIP, Spec


def resources(plan: Plan) -> dict[str, Resource]:
    """The endpoint's resources by name."""
    spec = plan.spec
    found: dict[str, Resource] = {}
    # What a floating IP hangs on.
    port = get_resource(names.control_port(0))
    if spec.control_plane.load_balancer == VIP:
        found["api_port"] = _vip(plan)
        port = get_resource("api_port")
    elif spec.control_plane.load_balancer == OCTAVIA:
        found |= dict(_octavia(plan))
        port = get_attr("api_load_balancer", "vip_port_id")
    if spec.access.floating_ip:
        found["api_floating_ip"] = _floating_ip(spec, port)
    return found


def port_properties(plan: Plan) -> dict[str, Any]:
    """What the ports of control-plane nodes need for the endpoint."""
    if plan.spec.control_plane.load_balancer != VIP:
        return {}
    return {"allowed_address_pairs": [{"ip_address": plan.api_host}]}


def _vip(plan: Plan) -> Resource:
    """A port that no server has: it keeps the address for the node that holds it."""
    groups = {"security_groups": [get_resource(names.security_group(CONTROL))]}
    return network.port(plan.spec.cloud, plan.api_host, groups)


def _floating_ip(spec: Spec, port: Expression) -> Resource:
    properties = {"floating_network": get_param("external_network"), "port_id": port}
    return Resource("OS::Neutron::FloatingIP", properties, depends_on=network.way_out(spec.cloud))


def _octavia(plan: Plan) -> Iterator[tuple[str, Resource]]:
    """A load balancer that passes TCP on: TLS ends at the apiservers; they want certificates."""
    subnet = network.subnet(plan.spec.cloud)
    balancer = {"vip_address": plan.api_host, "vip_subnet": subnet}
    yield "api_load_balancer", Resource("OS::Octavia::LoadBalancer", balancer)
    listener = {
        "loadbalancer": get_resource("api_load_balancer"),
        "protocol": "TCP",
        "protocol_port": API_PORT,
        "allowed_cidrs": [str(plan.spec.cloud.nodes), *plan.spec.access.api],
    }
    yield "api_listener", Resource("OS::Octavia::Listener", listener)
    pool = {
        "listener": get_resource("api_listener"),
        "protocol": "TCP",
        "lb_algorithm": "LEAST_CONNECTIONS",
    }
    yield "api_pool", Resource("OS::Octavia::Pool", pool)
    monitor = {
        "pool": get_resource("api_pool"),
        "type": "HTTPS",
        "url_path": "/readyz",
        # The monitor has no certificate, and nobody is let in without: an apiserver that says so
        # answers.
        "expected_codes": "200,401",
        "delay": 3,
        "timeout": 2,
        "max_retries": 2,
    }
    yield "api_monitor", Resource("OS::Octavia::HealthMonitor", monitor)
    for index, address in enumerate(plan.control_addresses):
        member = {
            "pool": get_resource("api_pool"),
            "address": address,
            "protocol_port": API_PORT,
            "subnet": subnet,
        }
        yield names.api_member(index), Resource("OS::Octavia::PoolMember", member)
