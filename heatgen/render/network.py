# SPDX-License-Identifier: Apache-2.0
"""Network, subnet and router of the nodes: new or existing ones."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import Any

from heatgen.hot.template import Expression, Parameter, Resource, get_param, get_resource
from heatgen.spec.model import Cloud

INTERFACE = "router_interface"


def parameters(cloud: Cloud) -> dict[str, Parameter]:
    """Return the parameters with names of existing resources."""
    descriptions = {
        "external_network": ("External network of the router and of floating IPs", "network"),
        "network": ("Existing network of the nodes", "network"),
        "subnet": ("Existing subnet of the nodes", "subnet"),
        "router": ("Existing router of the nodes' network", "router"),
    }
    return {
        name: Parameter(
            "string", text, getattr(cloud, name), ({"custom_constraint": f"neutron.{kind}"},)
        )
        for name, (text, kind) in descriptions.items()
        if getattr(cloud, name)
    }


def resources(
    cloud: Cloud, pool: tuple[IPv4Address, IPv4Address] | None
) -> Iterator[tuple[str, Resource]]:
    """Yield the network, the subnet and the router, unless they exist.

    Args:
        cloud: resources of the cloud.
        pool: first and last address of a new subnet's allocation pool.
    """
    if pool is None:
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
    """Return the reference to the nodes' network."""
    return get_param("network") if cloud.network else get_resource("network")


def subnet(cloud: Cloud) -> Expression:
    """Return the reference to the nodes' subnet."""
    return get_param("subnet") if cloud.subnet else get_resource("subnet")


def router_dependencies(cloud: Cloud) -> tuple[str, ...]:
    """Return the resources without which a server cannot reach metadata service and internet."""
    return () if cloud.subnet else (INTERFACE,)


def port(cloud: Cloud, fixed: str, properties: dict[str, Any]) -> Resource:
    """Return a port with a fixed address, which Neutron may assign.

    Args:
        cloud: resources of the cloud.
        fixed: the address; not used if Neutron assigns it.
        properties: additional properties.
    """
    address = {} if cloud.assigned else {"ip_address": fixed}
    return Resource(
        "OS::Neutron::Port",
        _tagged(
            cloud,
            {
                "network": network(cloud),
                "fixed_ips": [{"subnet": subnet(cloud), **address}],
                **properties,
            },
        ),
    )


def address_pairs(addresses: Iterable[str]) -> dict[str, Any]:
    """Return the property of a port that allows additional source addresses; none for none."""
    pairs = [{"ip_address": address} for address in addresses]
    return {"allowed_address_pairs": pairs} if pairs else {}


def _tagged(cloud: Cloud, properties: dict[str, Any]) -> dict[str, Any]:
    return {**properties, "tags": list(cloud.tags)} if cloud.tags else properties
