# SPDX-License-Identifier: Apache-2.0
"""Edge: reads the state of a cloud that the preflight check compares with the requirements."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from heatgen.plan.cloud_requirements import (
    BLOCK_STORAGE,
    LOAD_BALANCERS,
    CloudRequirements,
    CloudState,
)

_COMPUTE = {
    "servers": ("instances_used", "instances"),
    "processors": ("total_cores_used", "total_cores"),
    "MB of memory": ("total_ram_used", "total_ram"),
    "server groups": ("server_groups_used", "server_groups"),
}
_NETWORK = {
    "networks": "networks", "subnets": "subnets", "routers": "routers", "ports": "ports",
    "security groups": "security_groups", "security group rules": "security_group_rules",
    "floating IPs": "floating_ips",
}  # fmt: skip
_VOLUMES = {
    "volumes": ("total_volumes_used", "max_total_volumes"),
    "gigabytes of volumes": ("total_gigabytes_used", "max_total_volume_gigabytes"),
}
_OF_NETWORK = ("project_id", "is_port_security_enabled")
_OF_SUBNET = ("cidr", "gateway_ip", "is_dhcp_enabled")


def read_state(connection: Any, needed: CloudRequirements) -> CloudState:
    """Read the state of all required resources and quotas; nothing is changed.

    What the cloud does not report to this user is listed as ``unknown``.

    Args:
        connection: connection of openstacksdk.
        needed: requirements of the cluster.

    Raises:
        openstack.exceptions.SDKException, keystoneauth1.exceptions.ClientException: no credentials,
            or no response.
    """
    connection.authorize()
    reader = _StateReader(connection)
    find = connection.compute.find_flavor
    return CloudState(
        images=reader.each("images", needed.images, connection.image.find_image,
                           ("status", "min_disk", "min_ram", "architecture")),
        flavors=reader.each("flavors", needed.flavors, find, ("vcpus", "ram", "disk")),
        names=dict(reader.names(needed)),
        quotas=dict(reader.quotas(needed)),
        taken=tuple(reader.taken(needed)),
        providers=reader.providers(needed),
        project=connection.current_project_id or "",
        administrator="admin" in reader.roles(),
        unknown=reader.unknown,
    )  # fmt: skip


class _StateReader:
    """Reads the state and records failed requests in ``unknown``."""

    def __init__(self, connection: Any) -> None:
        self.cloud = connection
        self.unknown: dict[str, str] = {}

    def request(self, what: str, function: Callable[[], Any]) -> Any:
        """Return the result of a request, or None if it failed."""
        from keystoneauth1.exceptions import CatalogException
        from openstack.exceptions import SDKException

        try:
            return function()
        except (SDKException, CatalogException) as error:
            self.unknown[what] = [*str(error).strip().splitlines(), type(error).__name__][0][:100]
            return None

    def each(
        self, what: str, names: Iterable[str], find: Callable[..., Any], keys: Iterable[str]
    ) -> dict[str, Mapping[str, Any] | None]:
        """Return properties of resources by name, None for missing ones."""
        found: dict[str, Mapping[str, Any] | None] = {}
        for name in names:
            before = len(self.unknown)
            item = self.request(f"{what}: {name}", partial(find, name, ignore_missing=True))
            if len(self.unknown) == before:
                found[name] = {key: getattr(item, key) for key in keys} if item else None
        return found

    def names(
        self, needed: CloudRequirements
    ) -> Iterator[tuple[tuple[str, str], Mapping[str, Any] | None]]:
        """Yield resources by kind and name, None for missing ones."""
        cloud, network = self.cloud, self.cloud.network
        wanted: list[tuple[str, str, Callable[..., Any], tuple[str, ...]]] = [
            ("key pair", needed.key_pair, cloud.compute.find_keypair, ()),
            ("external network", needed.external_network, network.find_network, ()),
            ("network", needed.network, network.find_network, _OF_NETWORK),
            ("subnet", needed.subnet, network.find_subnet, _OF_SUBNET),
            ("router", needed.router, network.find_router, ()),
            ("stack", needed.name, cloud.orchestration.find_stack, ()),
        ]
        for kind, name, find, keys in wanted:
            for key, value in self.each(kind, [name] if name else [], find, keys).items():
                yield (kind, key), value
        yield from self._zones("zone", needed.zones, cloud.compute.availability_zones)
        for service in needed.services:
            yield ("service", service), ({} if self._exists(service, needed) else None)
        if self._exists(BLOCK_STORAGE, needed):
            yield from self._volumes(needed)

    def roles(self) -> tuple[str, ...]:
        """Return the names of the roles of this user in the project."""
        session = self.cloud.session
        access = self.request("roles", lambda: session.auth.get_access(session))
        return tuple(access.role_names) if access else ()

    def providers(self, needed: CloudRequirements) -> tuple[str, ...]:
        """Return the providers of load balancers, if one is needed and the service exists."""
        if not self._exists(LOAD_BALANCERS, needed):
            return ()
        balancers = self.cloud.load_balancer
        found = self.request("load balancer providers", lambda: list(balancers.providers()))
        return tuple(item.name for item in found or ())

    def _exists(self, service: str, needed: CloudRequirements) -> bool:
        """Return whether a service is required, and in the catalog."""
        return service in needed.services and bool(
            self.cloud.endpoint_for(needed.services[service])
        )

    def _volumes(self, needed: CloudRequirements) -> Iterator[tuple[tuple[str, str], Any]]:
        storage = self.cloud.block_storage
        yield from self._zones("volume zone", needed.volume_zones, storage.availability_zones)
        for key, value in self.each(
            "volume type", needed.volume_types, storage.find_type, ()
        ).items():
            yield ("volume type", key), value

    def _zones(
        self, kind: str, wanted: Iterable[str], list_zones: Callable[[], Any]
    ) -> Iterator[tuple[tuple[str, str], Any]]:
        """Yield the required zones, None for missing and unavailable ones."""
        names = tuple(wanted)
        zones = self.request(f"{kind}s", lambda: list(list_zones())) if names else None
        if zones is not None:
            available = {zone.name for zone in zones if (zone.state or {}).get("available", True)}
            for name in names:
                yield (kind, name), ({} if name in available else None)

    def quotas(self, needed: CloudRequirements) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield usage and limit of each quota."""
        limits = self.request("quotas of servers", self.cloud.compute.get_limits)
        for what, (used, limit) in _COMPUTE.items():
            if limits and getattr(limits.absolute, limit) is not None:
                yield what, (getattr(limits.absolute, used) or 0, getattr(limits.absolute, limit))
        yield from self._external(needed.external_network)
        project = self.cloud.current_project_id
        quota = self.request(
            "quotas of networks", lambda: self.cloud.network.get_quota(project, details=True)
        )
        for what, name in _NETWORK.items():
            numbers = getattr(quota, name, None) if quota else None
            if isinstance(numbers, dict):
                yield what, (numbers["used"] + numbers.get("reserved", 0), numbers["limit"])
        if self._exists(BLOCK_STORAGE, needed):
            storage = self.request("quotas of volumes", self.cloud.block_storage.get_limits)
            for what, (used, limit) in _VOLUMES.items():
                if storage:
                    yield what, (getattr(storage.absolute, used), getattr(storage.absolute, limit))

    def _external(self, name: str) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield usage of the external network; most clouds report it to administrators only."""
        network, found = self.cloud.network, None
        if name:
            found = self.request("external network", lambda: network.find_network(name))
        if found is None:
            return
        what = "addresses of the external network"
        availability = self.request(what, lambda: network.get_network_ip_availability(found.id))
        if availability is not None:
            yield what, (availability.used_ips, availability.total_ips)

    def taken(self, needed: CloudRequirements) -> Iterator[str]:
        """Yield the used addresses of an existing subnet that are visible to this user."""
        if not needed.subnet:
            return
        network = self.cloud.network
        subnet = self.request("subnet", lambda: network.find_subnet(needed.subnet))
        if subnet is not None:
            ports = self.request("ports", lambda: list(network.ports(network_id=subnet.network_id)))
            for port in ports or []:
                yield from (address["ip_address"] for address in port.fixed_ips)
