# SPDX-License-Identifier: Apache-2.0
"""What the cloud ring reads from OpenStack, and the reboot of servers."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cloudring.cluster_file import Defaults, choose_flavor, choose_key, choose_network
from cloudring.options import Options, UsageError
from heatgen.cloud import preflight, stack
from heatgen.cloud.connection import Cloud, call
from heatgen.cloud.errors import NotFound
from heatgen.hot.deployments import GROUP
from heatgen.plan import cloud_requirements
from heatgen.plan.check_result import MISSING, CheckResult
from heatgen.project import project
from heatgen.render import heat_limits
from heatgen.render.template import render

_FLAVOR = ("name", "vcpus", "ram", "disk")
_IMAGE = ("name", "min_disk", "min_ram")
USER_DATA = "bytes of user data"
_PAUSE = 3.0


def defaults(cloud: Cloud, options: Options, given: Iterable[str]) -> Defaults:
    """Return values for what the user did not select.

    Args:
        cloud: the cloud.
        options: the options.
        given: the keys that every system sets with ``--cluster``.

    Raises:
        UsageError: a choice is not clear.
    """
    connection, known = cloud.connection, set(given)
    network = flavor = key = ""
    if not options.external_network and "external_network" not in known:
        found = call(lambda: list(connection.network.networks(is_router_external=True)))
        network = choose_network([{"name": i.name, "is_default": i.is_default} for i in found])
    if not options.flavor and "flavor" not in known:
        flavors = call(lambda: list(connection.compute.flavors(details=True)))
        images = [_image(cloud, target.image) for target in options.targets]
        flavor = choose_flavor(_plain(flavors, _FLAVOR), [item for item in images if item])
    if not options.ssh_key and "ssh_key" not in known:
        key = choose_key([i.name for i in call(lambda: list(connection.compute.keypairs()))])
    return Defaults(flavor, network, key)


def _image(cloud: Cloud, name: str) -> dict[str, Any] | None:
    found = call(cloud.connection.image.find_image, name, ignore_missing=True)
    return next(_plain([found], _IMAGE)) if found else None


def _plain(items: Iterable[Any], keys: Iterable[str]) -> Iterator[dict[str, Any]]:
    names = tuple(keys)
    yield from ({key: getattr(item, key) for key in names} for item in items)


@dataclass(frozen=True)
class Check:
    """Result of the check of a cluster before its creation."""

    missing: tuple[CheckResult, ...]
    user_data_bytes: int | None


def check(path: Path, cloud: Cloud, copies: int) -> Check:
    """Compare the requirements of a cluster with the cloud; nothing is changed.

    Args:
        path: its ``cluster.yaml``.
        cloud: the cloud.
        copies: number of clusters of this size that exist at the same time.

    Raises:
        ProblemsFound: the cluster is not valid.
    """
    cluster = project.load(path)
    planned = project.make_plan(cluster)
    usage = heat_limits.usage(planned, render(planned).as_dict())
    project.check_limits(cluster, usage)
    needed = cloud_requirements.requirements(planned)
    needed = replace(
        needed,
        flavors={name: count * copies for name, count in needed.flavors.items()},
        amounts={name: count * copies for name, count in needed.amounts.items()},
    )
    state = call(preflight.read_state, cloud.connection, needed)
    missing = [item for item in cloud_requirements.check(needed, state) if item.verdict == MISSING]
    size = next((item.used for item in usage if item.what == USER_DATA), None)
    return Check(tuple(missing), size)


def reboot(address: str, name: str, cloud: Cloud, seconds: float) -> None:
    """Reboot the server of a stack that has an address, and wait until Nova has done it.

    Raises:
        UsageError: no server of the stack has this address.
        TimeoutError: Nova has not finished in time.
    """
    servers = stack.servers(stack.get(name, cloud, with_outputs=False), cloud)
    found = [item.identity for item in servers if item.address == address]
    if not found:
        raise UsageError(f"no server of stack {name} has the address {address}")
    compute = cloud.connection.compute
    call(compute.reboot_server, found[0], "SOFT")
    deadline = time.monotonic() + seconds
    while (status := call(compute.get_server, found[0]).status) != "ACTIVE":
        if status == "ERROR" or time.monotonic() > deadline:
            raise TimeoutError(f"server {found[0]} is {status} after the reboot")
        time.sleep(_PAUSE)


def resources(name: str, cloud: Cloud) -> dict[str, str]:
    """Return the types of the resources of a stack, by id; none if the stack does not exist."""
    try:
        found = stack.get(name, cloud, with_outputs=False)
    except NotFound:
        return {}
    return {
        item.physical_resource_id: item.resource_type
        for item in stack.resources(found, cloud)
        if item.physical_resource_id and item.resource_type != GROUP
    }


def exists(name: str, cloud: Cloud) -> bool:
    """Return whether a stack exists."""
    try:
        stack.get(name, cloud, with_outputs=False)
    except NotFound:
        return False
    return True


def left(name: str, before: Iterable[str], cloud: Cloud) -> list[str]:
    """Return what exists of a deleted stack: resources with its ids, or its name at the start.

    Args:
        name: of the stack, which is unique.
        before: ids of its resources before the deletion.
        cloud: the cloud.
    """
    ids, connection = set(before), cloud.connection
    lists: dict[str, Callable[[], Iterable[Any]]] = {
        "server": connection.compute.servers,
        "server group": connection.compute.server_groups,
        "port": connection.network.ports,
        "floating IP": connection.network.ips,
        "router": connection.network.routers,
        "network": connection.network.networks,
        "security group": connection.network.security_groups,
    }
    if cloud.has("block-storage"):
        lists["volume"] = connection.block_storage.volumes
    if cloud.has("load-balancer"):
        lists["load balancer"] = connection.load_balancer.load_balancers
    found = [f"stack {name}"] if exists(name, cloud) else []
    for kind, each in lists.items():
        found += [
            f"{kind} {item.name or item.id}"
            for item in call(_listed, each)
            if item.id in ids or str(item.name or "").startswith(f"{name}-")
        ]
    return found


def _listed(request: Callable[[], Iterable[Any]]) -> list[Any]:
    return list(request())
