# SPDX-License-Identifier: Apache-2.0
"""The nodes' network, subnet and router: new ones, or what the cloud has already."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

from heatgen.hot.template import Expression, Parameter, Resource, get_param, get_resource
from heatgen.spec.model import Cloud

INTERFACE = "router_interface"


def parameters(cloud: Cloud) -> dict[str, Parameter]:
    """Parameters that name what is there already, and the network that leads out."""
    wanted = {
        "external_network": ("Network that the router and floating IPs hang on", "network"),
        "network": ("Network of the nodes, which is there already", "network"),
        "subnet": ("Subnet of the nodes, which is there already", "subnet"),
        "router": ("Router of the nodes' network, which is there already", "router"),
    }
    return {
        name: Parameter(
            "string", text, getattr(cloud, name), ({"custom_constraint": f"neutron.{kind}"},)
        )
        for name, (text, kind) in wanted.items()
        if getattr(cloud, name)
    }


def resources(
    cloud: Cloud, pool: tuple[IPv4Address, IPv4Address]
) -> Iterator[tuple[str, Resource]]:
    """Network, subnet, and the router that leads out of it, unless they are there.

    Args:
        cloud: what is there and what is wanted.
        pool: first and last address that Neutron hands out.
    """
    if cloud.subnet:
        return
    subnet_properties: dict[str, Any] = {
        "network": network(cloud),
        "cidr": str(cloud.nodes),
        "allocation_pools": [{"start": str(pool[0]), "end": str(pool[1])}],
    }
    if cloud.dns:
        subnet_properties["dns_nameservers"] = list(cloud.dns)
    yield "network", Resource("OS::Neutron::Net", _tagged(cloud, {}))
    yield "subnet", Resource("OS::Neutron::Subnet", _tagged(cloud, subnet_properties))
    router: Expression = get_param("router")
    if not cloud.router:
        gateway = {"external_gateway_info": {"network": get_param("external_network")}}
        yield "router", Resource("OS::Neutron::Router", _tagged(cloud, gateway))
        router = get_resource("router")
    interface = {"router": router, "subnet": subnet(cloud)}
    yield INTERFACE, Resource("OS::Neutron::RouterInterface", interface)


def network(cloud: Cloud) -> Expression:
    """The nodes' network."""
    return get_param("network") if cloud.network else get_resource("network")


def subnet(cloud: Cloud) -> Expression:
    """The nodes' subnet."""
    return get_param("subnet") if cloud.subnet else get_resource("subnet")


def way_out(cloud: Cloud) -> tuple[str, ...]:
    """What must be there before a server finds the metadata service and the world."""
    return () if cloud.subnet else (INTERFACE,)


def port(cloud: Cloud, fixed: str, properties: dict[str, Any]) -> Resource:
    """A port with an address of the plan.

    Args:
        cloud: the nodes' network.
        fixed: the address.
        properties: what else there is to say.
    """
    return Resource(
        "OS::Neutron::Port",
        _tagged(
            cloud,
            {
                "network": network(cloud),
                "fixed_ips": [{"subnet": subnet(cloud), "ip_address": fixed}],
                **properties,
            },
        ),
    )


def _tagged(cloud: Cloud, properties: dict[str, Any]) -> dict[str, Any]:
    return {**properties, "tags": list(cloud.tags)} if cloud.tags else properties
