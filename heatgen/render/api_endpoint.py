# SPDX-License-Identifier: Apache-2.0
"""Endpoint of the API: first control-plane node, virtual IP address, or Octavia load balancer.

The plan has a fixed address (:attr:`heatgen.plan.model.Plan.api_host`), or the mark of one that
Neutron assigns; a floating IP is associated with the port of this address.
"""

from collections.abc import Iterator
from typing import Any

from heatgen.hot import names
from heatgen.hot.template import Expression, Resource, get_attr, get_param, get_resource
from heatgen.layers import CONTROL
from heatgen.plan.inputs import API_PORT
from heatgen.plan.model import Plan
from heatgen.render import network
from heatgen.spec.model import OCTAVIA, OVN, VIP, Spec


def resources(plan: Plan) -> dict[str, Resource]:
    """Return the endpoint's resources by name."""
    spec = plan.spec
    found: dict[str, Resource] = {}
    # Target of the floating IP.
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


def shared_addresses(plan: Plan) -> tuple[str, ...]:
    """Return the addresses that control-plane nodes share, for address pairs of their ports."""
    return (plan.api_host,) if plan.spec.control_plane.load_balancer == VIP else ()


def reservation(plan: Plan) -> list[str]:
    """Return the resource that reserves the planned address of the API, if it has its own."""
    balancer = plan.spec.control_plane.load_balancer
    return {VIP: ["api_port"], OCTAVIA: ["api_load_balancer"]}.get(balancer, [])


def _vip(plan: Plan) -> Resource:
    """Return an unattached port, which reserves the virtual IP address."""
    groups = {"security_groups": [get_resource(names.security_group(CONTROL))]}
    return network.port(plan.spec.cloud, plan.api_host, groups)


def _floating_ip(spec: Spec, port: Expression) -> Resource:
    properties = {"floating_network": get_param("external_network"), "port_id": port}
    depends_on = network.router_dependencies(spec.cloud)
    return Resource("OS::Neutron::FloatingIP", properties, depends_on=depends_on)


def _octavia(plan: Plan) -> Iterator[tuple[str, Resource]]:
    """Yield a TCP load balancer: API servers terminate TLS, as clients have certificates."""
    subnet, octavia = network.subnet(plan.spec.cloud), plan.spec.control_plane.octavia
    balancer = {"vip_address": plan.api_host, "vip_subnet": subnet}
    if plan.spec.cloud.assigned:
        del balancer["vip_address"]
    if octavia.provider:
        balancer["provider"] = octavia.provider
    yield "api_load_balancer", Resource("OS::Octavia::LoadBalancer", balancer)
    listener = {
        "loadbalancer": get_resource("api_load_balancer"),
        "protocol": "TCP",
        "protocol_port": API_PORT,
        "allowed_cidrs": [str(plan.spec.cloud.nodes), *plan.spec.access.api],
    }
    if octavia.provider == OVN:
        # It refuses them; the security group restricts clients, whose addresses it keeps.
        del listener["allowed_cidrs"]
    yield "api_listener", Resource("OS::Octavia::Listener", listener)
    pool = {
        "listener": get_resource("api_listener"),
        "protocol": "TCP",
        "lb_algorithm": octavia.algorithm,
    }
    yield "api_pool", Resource("OS::Octavia::Pool", pool)
    yield "api_monitor", Resource("OS::Octavia::HealthMonitor", _monitor(octavia.monitor))
    for index, address in enumerate(plan.control_addresses):
        member = {
            "pool": get_resource("api_pool"),
            "address": address,
            "protocol_port": API_PORT,
            "subnet": subnet,
        }
        yield names.api_member(index), Resource("OS::Octavia::PoolMember", member)


def _monitor(kind: str) -> dict[str, Any]:
    """Return the properties of the health monitor."""
    request: dict[str, Any] = {"url_path": "/readyz", "expected_codes": "200,401"}
    # The monitor has no client certificate: a healthy API server may respond with 401.
    return {
        "pool": get_resource("api_pool"),
        "type": kind,
        **(request if kind == "HTTPS" else {}),
        "delay": 3,
        "timeout": 2,
        "max_retries": 2,
    }
