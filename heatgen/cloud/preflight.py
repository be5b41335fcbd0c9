# SPDX-License-Identifier: Apache-2.0
"""Edge: asks a cloud, without changing anything, whether it has what a cluster needs."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from heatgen.plan.cloud_requirements import CloudRequirements, CloudState

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


def ask(connection: Any, needed: CloudRequirements) -> CloudState:
    """What a cloud says of all that is needed.

    What it does not report to this user is ``unknown``; only the lack of any answer is raised.

    Args:
        connection: of openstacksdk.
        needed: what to ask for.

    Raises:
        openstack.exceptions.SDKException, keystoneauth1.exceptions.ClientException: no credentials
            or no answer.
    """
    connection.authorize()
    asking = _Asking(connection)
    find = connection.compute.find_flavor
    return CloudState(
        images=asking.each("images", needed.images, connection.image.find_image,
                           ("status", "min_disk", "min_ram")),
        flavors=asking.each("flavors", needed.flavors, find, ("vcpus", "ram", "disk")),
        names=dict(asking.names(needed)),
        quotas=dict(asking.quotas(needed)),
        taken=tuple(asking.taken(needed)),
        unknown=asking.unknown,
    )  # fmt: skip


class _Asking:
    """One round of questions; what is not told is kept."""

    def __init__(self, connection: Any) -> None:
        self.cloud = connection
        self.unknown: dict[str, str] = {}

    def told(self, what: str, question: Callable[[], Any]) -> Any:
        """The answer, or None if the cloud does not tell."""
        from keystoneauth1.exceptions import CatalogException
        from openstack.exceptions import SDKException

        try:
            return question()
        except (SDKException, CatalogException) as error:
            self.unknown[what] = [*str(error).strip().splitlines(), type(error).__name__][0][:100]
            return None

    def each(
        self, what: str, names: Iterable[str], find: Callable[..., Any], keys: Iterable[str]
    ) -> dict[str, Mapping[str, Any] | None]:
        """Some properties of each thing, None for what is not there."""
        found: dict[str, Mapping[str, Any] | None] = {}
        for name in names:
            before = len(self.unknown)
            item = self.told(f"{what}: {name}", partial(find, name, ignore_missing=True))
            if len(self.unknown) == before:
                found[name] = {key: getattr(item, key) for key in keys} if item else None
        return found

    def names(
        self, needed: CloudRequirements
    ) -> Iterator[tuple[tuple[str, str], Mapping[str, Any] | None]]:
        """Everything that is called by its name."""
        cloud, network = self.cloud, self.cloud.network
        wanted: list[tuple[str, str, Callable[..., Any], tuple[str, ...]]] = [
            ("key pair", needed.key_pair, cloud.compute.find_keypair, ()),
            ("external network", needed.external_network, network.find_network, ()),
            ("network", needed.network, network.find_network, ()),
            ("subnet", needed.subnet, network.find_subnet, ("cidr",)),
            ("router", needed.router, network.find_router, ()),
            ("stack", needed.name, cloud.orchestration.find_stack, ()),
        ]
        for kind, name, find, keys in wanted:
            for key, value in self.each(kind, [name] if name else [], find, keys).items():
                yield (kind, key), value
        yield from self._zones("zone", needed.zones, cloud.compute.availability_zones)
        if needed.load_balancer:
            there = self._has("load-balancer")
            yield ("service", "load balancers"), ({} if there else None)
        if "volumes" in needed.amounts:
            yield from self._volumes(needed)

    def _has(self, service: str) -> bool:
        """Whether the cloud has a service, by the catalog."""
        return bool(self.cloud.endpoint_for(service))

    def _volumes(self, needed: CloudRequirements) -> Iterator[tuple[tuple[str, str], Any]]:
        if not self._has("block-storage"):
            yield ("service", "block storage"), None
            return
        yield ("service", "block storage"), {}
        storage = self.cloud.block_storage
        yield from self._zones("volume zone", needed.volume_zones, storage.availability_zones)
        for key, value in self.each(
            "volume type", needed.volume_types, storage.find_type, ()
        ).items():
            yield ("volume type", key), value

    def _zones(
        self, kind: str, wanted: Iterable[str], question: Callable[[], Any]
    ) -> Iterator[tuple[tuple[str, str], Any]]:
        """Which of the zones there are, those that are closed left out."""
        names = tuple(wanted)
        zones = self.told(f"{kind}s", lambda: list(question())) if names else None
        if zones is not None:
            open_ones = {zone.name for zone in zones if (zone.state or {}).get("available", True)}
            for name in names:
                yield (kind, name), ({} if name in open_ones else None)

    def quotas(self, needed: CloudRequirements) -> Iterator[tuple[str, tuple[int, int]]]:
        """Used and allowed of all that is counted."""
        limits = self.told("quotas of servers", self.cloud.compute.get_limits)
        for what, (used, limit) in _COMPUTE.items():
            if limits and getattr(limits.absolute, limit) is not None:
                yield what, (getattr(limits.absolute, used) or 0, getattr(limits.absolute, limit))
        yield from self._external(needed.external_network)
        project = self.cloud.current_project_id
        quota = self.told(
            "quotas of networks", lambda: self.cloud.network.get_quota(project, details=True)
        )
        for what, name in _NETWORK.items():
            numbers = getattr(quota, name, None) if quota else None
            if isinstance(numbers, dict):
                yield what, (numbers["used"] + numbers.get("reserved", 0), numbers["limit"])
        if "volumes" in needed.amounts and self._has("block-storage"):
            storage = self.told("quotas of volumes", self.cloud.block_storage.get_limits)
            for what, (used, limit) in _VOLUMES.items():
                if storage:
                    yield what, (getattr(storage.absolute, used), getattr(storage.absolute, limit))

    def _external(self, name: str) -> Iterator[tuple[str, tuple[int, int]]]:
        """Addresses of the external network; most clouds tell them to administrators only."""
        network = self.cloud.network
        found = self.told("external network", lambda: network.find_network(name)) if name else None
        if found is None:
            return
        what = "addresses of the external network"
        there = self.told(what, lambda: network.get_network_ip_availability(found.id))
        if there is not None:
            yield what, (there.used_ips, there.total_ips)

    def taken(self, needed: CloudRequirements) -> Iterator[str]:
        """Addresses of the subnet that is there which ports have, as far as this user sees them."""
        if not needed.subnet:
            return
        subnet = self.told("subnet", lambda: self.cloud.network.find_subnet(needed.subnet))
        if subnet is not None:
            for port in (
                self.told(
                    "ports", lambda: list(self.cloud.network.ports(network_id=subnet.network_id))
                )
                or []
            ):
                yield from (address["ip_address"] for address in port.fixed_ips)
