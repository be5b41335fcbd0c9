# SPDX-License-Identifier: Apache-2.0
"""The checks of ``cluster.yaml`` that no schema can express, and the capacity of its networks."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from heatgen.blocks.catalog import Catalog
from heatgen.layers import RUNTIME
from heatgen.spec import addresses, workers
from heatgen.spec.block_selection import group_blocks, used_blocks
from heatgen.spec.model import (
    CONTROL_COUNTS,
    NO_BALANCER,
    PODS,
    SERVICES,
    Cloud,
    Spec,
)
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem

MIN_SERVICES = 16
"""Addresses: the 10th is the DNS's."""


def check(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Yield every problem that no schema can express."""
    yield from _check_cloud(document, spec)
    yield from _check_counts(document, spec)
    yield from _check_networks(document, spec)
    yield from _check_pods(document, spec, catalog)
    yield from _check_versions(document, spec, catalog)
    yield from workers.check(document, spec.workers, spec.layers[RUNTIME])


def notices(spec: Spec) -> list[str]:
    """What is allowed but rarely meant, one sentence each."""
    found = []
    if not spec.access.api:
        found.append("access.api is empty: from outside the cluster nobody can reach its API")
    if spec.access.ssh and not spec.access.ssh_key:
        found.append("access.ssh opens SSH, but without access.ssh_key nobody can log in")
    if spec.control_plane.count > 1 and spec.control_plane.load_balancer == NO_BALANCER:
        found.append(
            "control_plane.load_balancer is none: without the first control-plane node nobody "
            "reaches the API, though the others run"
        )
    return found


def _check_counts(document: Document, spec: Spec) -> list[Problem]:
    problems = []
    count = spec.control_plane.count
    path = ("control_plane", "count")
    if count not in CONTROL_COUNTS:
        message = f"control_plane.count must be 1, 3 or 5, not {count}"
        hint = "etcd needs an odd number: an even one adds a node but no safety"
        problems.append(document.problem(path, message, hint))
    capacity = worker_capacity(spec)
    if capacity < max(1, spec.worker_count):
        message = (
            f"cloud.nodes: {spec.cloud.nodes} has addresses for {max(0, capacity)} workers, "
            f"not for {spec.worker_count}"
        )
        hint = "choose a larger network: the first 20 addresses are kept for the control plane"
        if spec.cloud.subnet:
            hint = "choose a larger subnet, or fewer workers"
        problems.append(document.problem(("cloud", "nodes"), message, hint))
    return problems


def worker_capacity(spec: Spec) -> int:
    """How many workers find an address; 0 or less if the network is too small."""
    if spec.cloud.subnet:
        return addresses.shared_capacity(spec.cloud.nodes, spec.control_plane.count)
    return addresses.worker_capacity(spec.cloud.nodes)


def _check_cloud(document: Document, spec: Spec) -> Iterator[Problem]:
    """Which of network, subnet, router and external network go together."""
    cloud = spec.cloud

    def problem(key: str, message: str, hint: str) -> Problem:
        return document.problem(("cloud", key), message, hint, key=True)

    if not cloud.external_network and spec.access.floating_ip:
        message = "cloud.external_network is missing: the API's floating IP comes from it"
        hint = "name it, or set access.floating_ip: false"
        yield problem("external_network", message, hint)
    if bool(cloud.network) != bool(cloud.subnet):
        named, missing = ("network", "subnet") if cloud.network else ("subnet", "network")
        message = f"cloud.{missing} is missing: cloud.{named} is there, so the other must be"
        yield problem(named, message, "name both to use what is there, none to have new ones")
    if cloud.subnet and cloud.router:
        message = "cloud.router is of no use with cloud.subnet: that subnet has its own way out"
        yield problem("router", message, "remove the key")
    if cloud.subnet and ("cloud", "nodes") not in document.values:
        message = "cloud.nodes is missing: with cloud.subnet it must be that subnet's range"
        yield problem("subnet", message, "see 'openstack subnet show -c cidr SUBNET'")
    if cloud.subnet and cloud.dns:
        message = "cloud.dns is of no use with cloud.subnet: that subnet has its own name servers"
        yield problem("dns", message, "remove the key")
    yield from _check_first_address(document, spec)


def _check_first_address(document: Document, spec: Spec) -> Iterator[Problem]:
    """The planned addresses must lie in the nodes' network and outside what Neutron hands out."""
    cloud = spec.cloud
    path = ("cloud", "first_address")
    if path not in document.values:
        return
    last = int(cloud.first_address) + spec.control_plane.count
    if cloud.first_address not in cloud.nodes or last >= int(cloud.nodes.broadcast_address):
        message = f"cloud.first_address: {cloud.first_address} and the {spec.control_plane.count}"
        message += f" behind it must lie in cloud.nodes, {cloud.nodes}"
        yield document.problem(path, message, "choose an address inside")
    elif not cloud.subnet and not _reserved(cloud, last):
        message = f"cloud.first_address: {cloud.first_address} and those behind it must lie from"
        message += f" the 2nd to the {addresses.FIRST_POOL - 1}th address of cloud.nodes"
        yield document.problem(path, message, "those above are handed out to workers")


def _reserved(cloud: Cloud, last: int) -> bool:
    """Whether the planned addresses lie in front of what Neutron hands out."""
    start = int(cloud.nodes.network_address)
    return start + 2 <= int(cloud.first_address) and last < start + addresses.FIRST_POOL


def _check_networks(document: Document, spec: Spec) -> list[Problem]:
    """The nodes', pods' and services' networks must not overlap; services need a DNS address."""
    networks = _networks(spec)
    problems = []
    for one, other in itertools.combinations(networks, 2):
        if networks[one].overlaps(networks[other]):
            # Of the two, blame one that is written in the file.
            path = other if other in document.values else one
            message = f"{dotted(other)} {networks[other]} overlaps {dotted(one)} {networks[one]}"
            problems.append(document.problem(path, message, "choose networks apart"))
    services = networks.get(SERVICES)
    if services is not None and services.num_addresses < MIN_SERVICES:
        message = f"{dotted(SERVICES)} {services} is too small"
        problems.append(document.problem(SERVICES, message, "the DNS takes its 10th address"))
    return problems


def _check_versions(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Versions that blocks need of themselves and of each other."""
    for block in used_blocks(group_blocks(spec, catalog)):
        for need in block.needs:
            for options in _options_of_layer(spec, need.layer):
                version = str(options.get(need.option, need.at_least))
                if _numbers(version) < _numbers(need.at_least):
                    path = (need.layer, need.option)
                    message = f"{dotted(path)}: {version} does not go with {block.name}: {need.why}"
                    yield document.problem(path, message, f"choose {need.at_least} or later")


def _options_of_layer(spec: Spec, layer: str) -> list[Mapping[str, Any]]:
    """Options of a layer's blocks, those of groups of workers among them."""
    groups_own = [group.runtime.options for group in spec.workers] if layer == RUNTIME else []
    return [spec.layers[layer].options, *groups_own]


def _numbers(version: str) -> tuple[int, ...]:
    """A version's numbers, to compare."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def pod_networks(spec: Spec, catalog: Catalog) -> Iterator[tuple[Path, IPv4Network, int]]:
    """Networks of which every node leases a part: key, network, prefix length of a part."""
    for name, layer in spec.layers.items():
        for option, part in catalog.blocks[name, layer.use].options.items():
            if "per_node" in part:
                yield (name, option), IPv4Network(layer.options[option]), part["per_node"]


def worker_room(spec: Spec, catalog: Catalog) -> int:
    """How many workers find addresses for themselves and for their pods."""
    pods = [
        addresses.pod_capacity(network, prefix) - spec.control_plane.count
        for _, network, prefix in pod_networks(spec, catalog)
    ]
    return max(0, min([worker_capacity(spec), *pods]))


def _check_pods(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Every node must find a part of the pods' network."""
    nodes = spec.control_plane.count + spec.worker_count
    for path, network, prefix in pod_networks(spec, catalog):
        capacity = addresses.pod_capacity(network, prefix)
        if capacity < nodes:
            message = (
                f"{dotted(path)}: {network} has a /{prefix} for {capacity} nodes, not for {nodes}"
            )
            # 2 ** bits - 1 parts are leased.
            hint = f"choose a larger network: /{prefix - max(2, nodes.bit_length())} or more"
            yield document.problem(path, message, hint)


def _networks(spec: Spec) -> dict[Path, IPv4Network]:
    """Every network of the cluster by the key that sets it."""
    networks: dict[Path, IPv4Network] = {("cloud", "nodes"): spec.cloud.nodes}
    for layer, option in (PODS, SERVICES):
        value = spec.layers[layer].options.get(option)
        if isinstance(value, str):
            # Whether it is a network is for the block's own schema to say.
            with contextlib.suppress(ValueError):
                networks[layer, option] = IPv4Network(value)
    return networks
