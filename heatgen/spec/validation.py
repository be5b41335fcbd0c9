# SPDX-License-Identifier: Apache-2.0
"""Checks of ``cluster.yaml`` that a schema cannot express, and the capacity of its networks."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from heatgen.blocks.catalog import Block, Catalog
from heatgen.layers import GROUP_LAYERS, ORCHESTRATION, OS
from heatgen.spec import (
    address_checks,
    addresses,
    backup_recipients,
    option_conditions,
    overrides,
    update_window,
    workers,
)
from heatgen.spec.block_selection import group_blocks, used_blocks
from heatgen.spec.model import (
    CONTROL_COUNTS,
    NO_BALANCER,
    OVN,
    PODS,
    SERVICES,
    VIP,
    Cloud,
    Spec,
)
from heatgen.yamlio.codes import Code
from heatgen.yamlio.document import Document, Path, dotted
from heatgen.yamlio.problems import Problem

MAX_NODES = 5000
"""Nodes that Kubernetes supports: https://kubernetes.io/docs/setup/best-practices/cluster-large/"""
SKEW = 3
"""Minor versions by which kubelets may be older than API servers:
https://kubernetes.io/releases/version-skew-policy/"""
MIN_SERVICES = 16
"""Addresses; the 10th is that of the DNS."""


def check(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Yield every problem that a schema cannot express."""
    yield from _check_cloud(document, spec)
    yield from _check_octavia(document, spec)
    yield from _check_counts(document, spec)
    yield from _check_networks(document, spec)
    yield from address_checks.check(document, spec, _networks(spec))
    yield from _check_pods(document, spec, catalog)
    yield from _check_versions(document, spec, catalog)
    yield from _check_emulation(document, spec, catalog)
    yield from _check_group_versions(document, spec, catalog)
    yield from option_conditions.check(document, spec, catalog)
    yield from overrides.check(document, spec, catalog)
    yield from workers.check(document, spec.workers, spec.layers)
    yield from _check_load_balancer(document, spec, catalog)
    yield from update_window.check(document, spec)
    yield from backup_recipients.check(document, spec)


def notices(spec: Spec) -> list[str]:
    """Return messages about settings that are valid but rarely intended."""
    found = []
    if not spec.access.api:
        found.append("access.api is empty: the API is not reachable from outside the cluster")
    found += [
        f"access.{name} has 0.0.0.0/0: every host that can reach the floating IP may connect"
        for name, networks in (("api", spec.access.api), ("ssh", spec.access.ssh))
        if any(network.endswith("/0") for network in networks)
    ]
    machine, site = spec.control_plane.machine, spec.site
    for key, zones in (
        ("availability_zones", machine.zones),
        ("volume_availability_zones", machine.volume_zones),
    ):
        found += [
            f"control_plane.{key} has {zone} {zones.count(zone)} times: it gets more servers"
            for zone in dict.fromkeys(zones)
            if zones.count(zone) > 1
        ]
    if site.no_proxy and not (site.http_proxy or site.https_proxy):
        found.append("site.no_proxy has no effect without site.http_proxy or site.https_proxy")
    if spec.access.ssh and not spec.access.ssh_key:
        found.append("access.ssh opens the SSH port, but login requires access.ssh_key")
    if spec.control_plane.count > 1 and spec.control_plane.load_balancer == NO_BALANCER:
        found.append(
            "control_plane.load_balancer: none makes the API unreachable while the first "
            "control-plane node is down"
        )
    return found


def volume_notices(spec: Spec, catalog: Catalog) -> list[str]:
    """Return messages about types of volumes that are not created."""
    return [
        f"{block.layer}.{volume.type} has no effect without {block.layer}.{volume.size}"
        for block in used_blocks(group_blocks(spec, catalog))
        for volume in block.volumes.values()
        if spec.options_of(block).get(volume.type) and not spec.options_of(block).get(volume.size)
    ]


def _check_counts(document: Document, spec: Spec) -> list[Problem]:
    problems = []
    count = spec.control_plane.count
    path = ("control_plane", "count")
    if count not in CONTROL_COUNTS:
        message = f"control_plane.count must be 1, 3 or 5, not {count}"
        hint = "use an odd number: an even one does not tolerate more failures of etcd members"
        problems.append(document.problem(path, message, hint, code=Code.CONTROL_PLANE_COUNT))
    if spec.worker_count > MAX_NODES:
        message = f"workers: {spec.worker_count} workers; Kubernetes supports {MAX_NODES} nodes"
        hint = "use fewer workers, or several clusters"
        problems.append(document.problem(("workers",), message, hint, code=Code.OUT_OF_RANGE))
    capacity = worker_capacity(spec)
    if capacity < max(1, spec.worker_count):
        message = (
            f"cloud.nodes: {spec.cloud.nodes} has addresses for {max(0, capacity)} workers, "
            f"not for {spec.worker_count}"
        )
        hint = "choose a larger network: the first 20 addresses are reserved for the control plane"
        if spec.cloud.subnet:
            hint = "choose a larger subnet, or fewer workers"
        path = ("cloud", "nodes")
        problems.append(document.problem(path, message, hint, code=Code.NETWORK_TOO_SMALL))
    return problems


def worker_capacity(spec: Spec) -> int:
    """Return how many workers fit into the network; 0 or less if it is too small."""
    if spec.cloud.subnet:
        return addresses.shared_capacity(spec.cloud.nodes, spec.control_plane.count)
    return addresses.worker_capacity(spec.cloud.nodes)


def _check_cloud(document: Document, spec: Spec) -> Iterator[Problem]:
    """Check the combination of network, subnet, router and external network."""
    cloud = spec.cloud

    def problem(key: str, code: Code, message: str, hint: str) -> Problem:
        return document.problem(("cloud", key), message, hint, key=True, code=code)

    if not cloud.external_network and spec.access.floating_ip:
        message = "cloud.external_network is required for the API's floating IP"
        hint = "set it, or set access.floating_ip: false"
        yield problem("external_network", Code.MISSING_KEY, message, hint)
    if bool(cloud.network) != bool(cloud.subnet):
        present, missing = ("network", "subnet") if cloud.network else ("subnet", "network")
        message = f"cloud.{missing} is required when cloud.{present} is set"
        hint = "set both to use an existing network, or neither to create one"
        yield problem(present, Code.MISSING_KEY, message, hint)
    if cloud.subnet and cloud.router:
        message = (
            "cloud.router conflicts with cloud.subnet: an existing subnet already has a router"
        )
        yield problem("router", Code.CONFLICTING_KEYS, message, "remove the key")
    if cloud.subnet and ("cloud", "nodes") not in document.values:
        message = "cloud.nodes is required when cloud.subnet is set"
        hint = "set it to the subnet's range: see 'openstack subnet show -c cidr SUBNET'"
        yield problem("subnet", Code.MISSING_KEY, message, hint)
    if cloud.assigned:
        yield from _check_assigned(document, spec)
    if cloud.subnet and cloud.dns:
        message = (
            "cloud.dns conflicts with cloud.subnet: an existing subnet has its own name servers"
        )
        yield problem("dns", Code.CONFLICTING_KEYS, message, "remove the key")
    if not cloud.assigned:
        yield from _check_first_address(document, spec)


def _check_assigned(document: Document, spec: Spec) -> Iterator[Problem]:
    """Check that nothing requires addresses that are known before the stack is created."""
    cloud, path = spec.cloud, ("cloud", "addresses")
    if not cloud.subnet:
        message = "cloud.addresses: assigned requires an existing subnet"
        hint = "remove the key, or set cloud.network and cloud.subnet"
        yield document.problem(path, message, hint, key=True, code=Code.MISSING_KEY)
    if ("cloud", "first_address") in document.values:
        message = "cloud.first_address conflicts with cloud.addresses: assigned"
        place = ("cloud", "first_address")
        yield document.problem(
            place, message, "remove the key", key=True, code=Code.CONFLICTING_KEYS
        )
    if spec.control_plane.load_balancer == VIP:
        message = (
            "control_plane.load_balancer: vip conflicts with cloud.addresses: assigned: control-"
            "plane nodes share a planned address, which the network's project must allow them"
        )
        hint = "set control_plane.load_balancer: octavia, or use one control-plane node"
        places = [("control_plane", "load_balancer"), ("control_plane", "count")]
        place = next((item for item in places if item in document.values), path)
        yield document.problem(place, message, hint, key=True, code=Code.CONFLICTING_KEYS)


def _check_load_balancer(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Check that the control plane's operating system supports the load balancer."""
    balancer, system = spec.control_plane.load_balancer, spec.layers[OS].use
    supported = catalog.blocks[OS, system].load_balancers
    if supported and balancer not in supported:
        message = (
            f"control_plane.load_balancer: {balancer} is not supported with os.use: {system}: its "
            "image does not contain keepalived, and packages cannot be installed"
        )
        hint = (
            f"set control_plane.load_balancer: {' or '.join(supported)}, or use {system} only for "
            "workers (workers[].os)"
        )
        places = [("control_plane", "load_balancer"), ("control_plane", "count")]
        place = next((item for item in places if item in document.values), places[0])
        yield document.problem(place, message, hint, key=True, code=Code.CONFLICTING_KEYS)


def _check_octavia(document: Document, spec: Spec) -> Iterator[Problem]:
    """Check that the provider of the load balancer supports its algorithm and monitor."""
    octavia = spec.control_plane.octavia
    if octavia.provider != OVN:
        return
    for key, value, supported in (
        ("algorithm", octavia.algorithm, ("SOURCE_IP_PORT", "SOURCE_IP")),
        ("monitor", octavia.monitor, ("TCP",)),
    ):
        if value not in supported:
            path = ("control_plane", "octavia", key)
            message = f"{dotted(path)}: the provider ovn does not support {value}"
            hint = f"remove the key: the default is then {supported[0]}"
            yield document.problem(path, message, hint, code=Code.CONFLICTING_KEYS)


def _check_first_address(document: Document, spec: Spec) -> Iterator[Problem]:
    """Check that the fixed addresses are in the network and outside Neutron's allocation pool."""
    cloud = spec.cloud
    path = ("cloud", "first_address")
    if path not in document.values and not cloud.subnet:
        # _check_counts reports a new network that is too small for the default.
        return
    last = int(cloud.first_address) + spec.control_plane.count
    if cloud.first_address not in cloud.nodes or last >= int(cloud.nodes.broadcast_address):
        message = (
            f"cloud.first_address: {cloud.first_address} and the next {spec.control_plane.count} "
            f"must be in cloud.nodes, {cloud.nodes}"
        )
        hint = "choose an address in cloud.nodes with enough addresses after it"
        if path not in document.values:
            hint = f"set cloud.first_address: {hint.removeprefix('choose ')}, or a larger subnet"
        yield document.problem(path, message, hint, code=Code.ADDRESS_OUTSIDE_NETWORK)
    elif cloud.subnet and int(cloud.first_address) < int(cloud.nodes.network_address) + 2:
        message = (
            f"cloud.first_address: {cloud.first_address} is the address of the network or of its "
            "gateway"
        )
        hint = f"choose {cloud.nodes.network_address + 2} or a later address"
        yield document.problem(path, message, hint, code=Code.ADDRESS_RESERVED)
    elif not cloud.subnet and not _reserved(cloud, last):
        message = (
            f"cloud.first_address: {cloud.first_address} and the next {spec.control_plane.count} "
            f"must be between the 2nd and the {addresses.FIRST_POOL - 1}th address of cloud.nodes"
        )
        hint = "choose another address: higher ones are in the DHCP allocation pool"
        yield document.problem(path, message, hint, code=Code.ADDRESS_IN_POOL)


def _reserved(cloud: Cloud, last: int) -> bool:
    """Return whether the fixed addresses are below Neutron's allocation pool."""
    start = int(cloud.nodes.network_address)
    return start + 2 <= int(cloud.first_address) and last < start + addresses.FIRST_POOL


def _check_networks(document: Document, spec: Spec) -> list[Problem]:
    """Check that the networks do not overlap, and that the service network has a DNS address."""
    networks = _networks(spec)
    problems = []
    for one, other in itertools.combinations(networks, 2):
        if networks[one].overlaps(networks[other]):
            # Report it at a key that the file sets.
            path = other if other in document.values else one
            message = f"{dotted(other)} {networks[other]} overlaps {dotted(one)} {networks[one]}"
            hint = "choose networks that do not overlap"
            problems.append(document.problem(path, message, hint, code=Code.NETWORK_OVERLAP))
    services = networks.get(SERVICES)
    if services is not None and services.num_addresses < MIN_SERVICES:
        message = f"{dotted(SERVICES)} {services} is too small"
        hint = "choose at least a /28: the cluster's DNS uses the 10th address"
        problems.append(document.problem(SERVICES, message, hint, code=Code.NETWORK_TOO_SMALL))
    return problems


def _check_versions(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Check the versions that blocks require of themselves and of each other."""
    for block in used_blocks(group_blocks(spec, catalog)):
        for need in block.needs:
            for options in _options_of_layer(spec, need.layer):
                version = str(options.get(need.option, need.at_least))
                path = (need.layer, need.option)
                if need.below and _numbers(version) >= _numbers(need.below):
                    message = (
                        f"{dotted(path)}: {block.name} requires a version before {need.below}, "
                        f"not {version}: {need.why}"
                    )
                    hint = f"choose a version from {need.at_least} to below {need.below}"
                    yield document.problem(path, message, hint, code=Code.VERSION_TOO_NEW)
                if _numbers(version) < _numbers(need.at_least):
                    message = (
                        f"{dotted(path)}: {block.name} requires {need.at_least} or later, "
                        f"not {version}: {need.why}"
                    )
                    hint = f"choose {need.at_least} or later"
                    yield document.problem(path, message, hint, code=Code.VERSION_TOO_OLD)


def _check_emulation(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Check the version as which the control plane behaves, and that nodes keep."""
    of_api = str(spec.layers[ORCHESTRATION].options.get("version", ""))
    if not spec.emulated or not of_api:
        return
    path = (ORCHESTRATION, "emulate")
    major, minor = _numbers(of_api)[:2]
    emulated = _numbers(spec.emulated)[:2]
    hint = f"choose a version {major}.{minor - 1}.x, or remove the key"
    if emulated > (major, minor):
        message = f"{dotted(path)}: {spec.emulated} is newer than orchestration.version {of_api}"
        yield document.problem(path, message, hint, code=Code.VERSION_TOO_NEW)
    elif emulated < (major, minor - 1):
        message = (
            f"{dotted(path)}: {spec.emulated} is too old: {of_api} can return to the previous "
            "minor version only"
        )
        yield document.problem(path, message, hint, code=Code.VERSION_TOO_OLD)
    else:
        own = {group.name for group in spec.workers if group.version}
        groups = group_blocks(spec, catalog).items()
        blocks = used_blocks({name: blocks for name, blocks in groups if name not in own})
        yield from _too_old(document, path, spec.emulated, _kubernetes_needs(blocks))


def _check_group_versions(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Check the versions of groups of workers against the API server, and what blocks require."""
    key = "emulate" if spec.emulated else "version"
    of_api = str(spec.layers[ORCHESTRATION].options.get(key, ""))
    groups = group_blocks(spec, catalog)
    for path, group in zip(workers.paths(document), spec.workers, strict=True):
        if not group.version or not of_api:
            continue
        place = (*path, "version")
        major, minor = _numbers(of_api)[:2]
        if _numbers(group.version)[:2] > (major, minor):
            message = f"{dotted(place)}: {group.version} is newer than orchestration.{key} {of_api}"
            hint = f"choose a version of {major}.{minor} or older: update the control plane first"
            yield document.problem(place, message, hint, code=Code.VERSION_TOO_NEW)
            continue
        needs = _kubernetes_needs(groups[group.name].values())
        oldest = f"{major}.{minor - SKEW}"
        needs.append(
            (oldest, "the API server supports kubelets that are three minor versions older")
        )
        yield from _too_old(document, place, group.version, needs)


def _kubernetes_needs(blocks: Iterable[Block]) -> list[tuple[str, str]]:
    """Return the oldest versions of Kubernetes that blocks support, each with the reason."""
    return [
        (need.at_least, f"{block.name} requires {need.at_least} or later: {need.why}")
        for block in blocks
        for need in block.needs
        if (need.layer, need.option) == (ORCHESTRATION, "version")
    ]


def _too_old(
    document: Document, path: Path, version: str, needs: list[tuple[str, str]]
) -> Iterator[Problem]:
    """Yield a problem for the first requirement that a version does not fulfill."""
    for at_least, why in needs:
        if _numbers(version) < _numbers(at_least):
            message = f"{dotted(path)}: {version} is too old: {why}"
            hint = f"choose {at_least} or later"
            yield document.problem(path, message, hint, code=Code.VERSION_TOO_OLD)
            return


def _options_of_layer(spec: Spec, layer: str) -> list[Mapping[str, Any]]:
    """Return the options of a layer's blocks, including those of worker groups."""
    groups = spec.workers if layer in GROUP_LAYERS else ()
    return [spec.layers[layer].options, *(group.layers[layer].options for group in groups)]


def _numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers, for comparisons."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def pod_networks(spec: Spec, catalog: Catalog) -> Iterator[tuple[Path, IPv4Network, int]]:
    """Yield networks from which every node leases a subnet: key, network, prefix of a subnet."""
    for name, layer in spec.layers.items():
        for option, part in catalog.blocks[name, layer.use].options.items():
            if "per_node" in part:
                yield (name, option), IPv4Network(layer.options[option]), part["per_node"]


def max_workers(spec: Spec, catalog: Catalog) -> int:
    """Return how many workers fit into the networks of the nodes and pods."""
    pods = [
        addresses.pod_capacity(network, prefix) - spec.control_plane.count
        for _, network, prefix in pod_networks(spec, catalog)
    ]
    return max(0, min([worker_capacity(spec), *pods]))


def _check_pods(document: Document, spec: Spec, catalog: Catalog) -> Iterator[Problem]:
    """Check that every node can lease a subnet of the pod network."""
    nodes = spec.control_plane.count + spec.worker_count
    for path, network, prefix in pod_networks(spec, catalog):
        capacity = addresses.pod_capacity(network, prefix)
        if capacity < nodes:
            message = (
                f"{dotted(path)}: {network} has a /{prefix} for {capacity} nodes, not for {nodes}"
            )
            # Nodes can lease 2 ** bits - 1 subnets.
            hint = f"choose a larger network: /{prefix - max(2, nodes.bit_length())} or larger"
            yield document.problem(path, message, hint, code=Code.NETWORK_TOO_SMALL)


def _networks(spec: Spec) -> dict[Path, IPv4Network]:
    """Return the networks of the cluster by the key that sets them."""
    networks: dict[Path, IPv4Network] = {("cloud", "nodes"): spec.cloud.nodes}
    for layer, option in (PODS, SERVICES):
        value = spec.layers[layer].options.get(option)
        if isinstance(value, str):
            # The block's schema reports a value that is not a network.
            with contextlib.suppress(ValueError):
                networks[layer, option] = IPv4Network(value)
    return networks
