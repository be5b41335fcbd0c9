# SPDX-License-Identifier: Apache-2.0
"""Resources and quotas that a plan requires of a cloud, and their check.

Pure: :mod:`heatgen.cloud.preflight` queries the cloud.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from heatgen.layers import ROLES
from heatgen.plan import existing_network
from heatgen.plan.check_result import FINE, MISSING, UNKNOWN, CheckResult
from heatgen.plan.model import Plan
from heatgen.spec.addresses import NEUTRON_PORTS
from heatgen.spec.machine import NO_GROUP, Machine
from heatgen.spec.model import CFN_SIGNAL, NO_BALANCER, OCTAVIA, OVN, TEMP_URL_SIGNAL, VIP, Spec
from heatgen.yamlio.codes import Code

LOAD_BALANCERS, BLOCK_STORAGE = "load balancers", "block storage"
"""Services with other requirements than to exist."""
ARCHITECTURES = ("x86_64", "amd64")
"""Values of an image's property ``architecture`` for which blocks have artifacts."""
DEFAULT_RULES = 2
"""Rules that Neutron adds to every security group: egress by IPv4 and by IPv6."""


@dataclass(frozen=True, kw_only=True)
class CloudRequirements:
    """Names of resources that must exist, and amounts of what has quotas."""

    name: str
    images: tuple[str, ...]
    flavors: Mapping[str, int]
    """Flavors to numbers of servers."""
    disks: Mapping[str, tuple[str, ...]]
    """Flavors to images that boot from the flavor's disk."""
    key_pair: str
    external_network: str
    network: str
    subnet: str
    router: str
    nodes: str
    """The range that an existing subnet must have."""
    addresses: tuple[str, ...]
    """Addresses that must be free in an existing subnet; none if Neutron assigns them."""
    address_pairs: bool
    """Control-plane nodes share a virtual IP address."""
    routed: bool
    """Nodes send packets with addresses of pods."""
    config_drive: bool
    zones: tuple[str, ...]
    volume_zones: tuple[str, ...]
    volume_types: tuple[str, ...]
    services: Mapping[str, str]
    """Services that must exist: their types in the catalog by name."""
    provider: str
    """Provider of the load balancer; '' for the cloud's default."""
    amounts: Mapping[str, int]
    """Amounts of what has quotas, except processors and memory of servers."""


@dataclass(frozen=True, kw_only=True)
class CloudState:
    """State of the cloud: None for a missing resource, no entry if the cloud did not report it."""

    images: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    """``status``, ``min_disk`` (GB), ``min_ram`` (MB), ``architecture``."""
    flavors: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    """``vcpus``, ``ram`` (MB), ``disk`` (GB)."""
    names: Mapping[tuple[str, str], Mapping[str, Any] | None] = field(default_factory=dict)
    """Other resources by kind and name: ``key pair``, ``network``, ``subnet``, and so on."""
    quotas: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Used amount and limit; -1 for no limit."""
    taken: tuple[str, ...] = ()
    """Addresses of ports in the existing subnet."""
    providers: tuple[str, ...] = ()
    """Providers of load balancers."""
    project: str = ""
    """The project of this user."""
    administrator: bool = False
    """This user has the role ``admin``, which Neutron's policy allows everything."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """Queries that failed, with the reason."""


def requirements(plan: Plan) -> CloudRequirements:
    """Return the requirements of a plan."""
    spec, cloud = plan.spec, plan.spec.cloud
    machines = [(spec.control_plane.count, spec.control_plane.machine)]
    machines += [(group.count, group.machine) for group in spec.workers]
    flavors: dict[str, int] = {}
    disks: dict[str, set[str]] = {}
    for count, machine in machines:
        flavors[machine.flavor] = flavors.get(machine.flavor, 0) + count
        if machine.boot_volume is None:
            disks.setdefault(machine.flavor, set()).add(machine.image or cloud.image)
    own_address = [plan.api_host] if spec.control_plane.load_balancer != NO_BALANCER else []
    planned = cloud.subnet and not cloud.assigned
    types = {machine.boot_volume.type for _, machine in machines if machine.boot_volume}
    amounts = {name: amount for name, amount in _amounts(plan, machines).items() if amount}
    return CloudRequirements(
        name=spec.name,
        images=tuple(sorted({machine.image or cloud.image for _, machine in machines})),
        flavors=flavors,
        disks={flavor: tuple(sorted(images)) for flavor, images in disks.items()},
        key_pair=spec.access.ssh_key,
        external_network=cloud.external_network,
        network=cloud.network,
        subnet=cloud.subnet,
        router=cloud.router,
        nodes=str(cloud.nodes),
        addresses=(*own_address, *plan.control_addresses) if planned else (),
        address_pairs=spec.control_plane.load_balancer == VIP,
        routed=bool(plan.pair_networks),
        config_drive=cloud.config_drive,
        zones=tuple(sorted({zone for _, machine in machines for zone in machine.zones})),
        volume_zones=tuple(sorted({volume.zone for volume in plan.volumes} - {""})),
        volume_types=tuple(sorted((types | {volume.type for volume in plan.volumes}) - {""})),
        services=dict(_services(spec, amounts)),
        provider=spec.control_plane.octavia.provider,
        amounts=amounts,
    )


def _amounts(plan: Plan, machines: list[tuple[int, Machine]]) -> dict[str, int]:
    """Return the amounts that the cluster uses of each quota."""
    spec = plan.spec
    servers = sum(count for count, _ in machines)
    new = 0 if spec.cloud.subnet else 1
    router = 0 if spec.cloud.subnet or spec.cloud.router else 1
    groups = sum(machine.server_group != NO_GROUP for _, machine in machines[1:])
    own_group = spec.control_plane.machine.server_group != NO_GROUP and spec.control_plane.count > 1
    boots = [(count, machine.boot_volume) for count, machine in machines if machine.boot_volume]
    return {
        "servers": servers,
        "server groups": groups + own_group,
        "networks": new,
        "subnets": new,
        "routers": router,
        # Ports of the router and of DHCP agents belong to the project, too.
        "ports": servers + (spec.control_plane.load_balancer == VIP) + new * (1 + NEUTRON_PORTS),
        "security groups": len(ROLES),
        "security group rules": len(plan.rules) + DEFAULT_RULES * len(ROLES),
        "floating IPs": int(spec.access.floating_ip),
        # A new router has an external address, too.
        "addresses of the external network": int(spec.access.floating_ip) + router,
        "volumes": len(plan.volumes) + sum(count for count, _ in boots),
        "gigabytes of volumes": sum(volume.size for volume in plan.volumes)
        + sum(count * volume.size for count, volume in boots),
    }


def _services(spec: Spec, amounts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield the required services that not every cloud has, with their types in the catalog."""
    transport = spec.cloud.signal_transport
    if spec.control_plane.load_balancer == OCTAVIA:
        yield LOAD_BALANCERS, "load-balancer"
    if transport == CFN_SIGNAL:
        yield "CloudFormation API", "cloudformation"
    if transport == TEMP_URL_SIGNAL:
        yield "object storage", "object-store"
    if "volumes" in amounts:
        yield BLOCK_STORAGE, "block-storage"


def check(needed: CloudRequirements, state: CloudState) -> list[CheckResult]:
    """Check every requirement."""
    found = [
        *_images(needed, state),
        *_flavors(needed, state),
        *_named(needed, state),
        *_provider(needed, state),
        *_network(needed, state),
        *_subnet(needed, state),
        *_quotas(needed, state),
        _stack(needed, state),
    ]
    found += [
        CheckResult(what=what, needed="", there=why, verdict=UNKNOWN)
        for what, why in state.unknown.items()
    ]
    return [_with_code(item) for item in found]


def _with_code(result: CheckResult) -> CheckResult:
    """Return a result with the general code if its requirement is not met for no special reason."""
    missing = result.verdict == MISSING and not result.code
    return replace(result, code=Code.REQUIREMENT_NOT_MET if missing else result.code)


def failed(found: list[CheckResult]) -> bool:
    """Return whether the creation of the stack would fail."""
    return any(item.verdict == MISSING for item in found)


def _images(needed: CloudRequirements, state: CloudState) -> Iterator[CheckResult]:
    for name in needed.images:
        if name not in state.images:
            continue
        image = state.images[name]
        if image is None:
            yield CheckResult(
                what="image",
                needed=name,
                there="none",
                verdict=MISSING,
                advice="see 'openstack image list'",
            )
        elif image["status"] != "active":
            yield CheckResult(
                what="image",
                needed=name,
                there=image["status"],
                verdict=MISSING,
                advice="servers cannot boot from it: wait, or choose another image",
            )
        else:
            yield _architecture(name, str(image.get("architecture") or ""))


def _architecture(name: str, architecture: str) -> CheckResult:
    """Check the architecture of an active image, if the image has this property."""
    fits = architecture.lower() in ("", *ARCHITECTURES)
    return CheckResult(
        what="image",
        needed=name,
        there="active" if fits else f"for {architecture}",
        verdict=FINE if fits else MISSING,
        advice=""
        if fits
        else f"nodes download programs for {ARCHITECTURES[0]}: choose an image "
        "of this architecture",
        code="" if fits else Code.UNSUPPORTED_ARCHITECTURE,
    )


def _flavors(needed: CloudRequirements, state: CloudState) -> Iterator[CheckResult]:
    """Check that flavors exist and are large enough for the images."""
    for name in needed.flavors:
        if name not in state.flavors:
            continue
        flavor = state.flavors[name]
        if flavor is None:
            yield CheckResult(
                what="flavor",
                needed=name,
                there="none",
                verdict=MISSING,
                advice="see 'openstack flavor list'",
            )
            continue
        size = f"{flavor['vcpus']} processors, {flavor['ram']} MB, {flavor['disk']} GB"
        yield CheckResult(what="flavor", needed=name, there=size, verdict=FINE)
        for image in needed.disks.get(name, ()):
            limits = state.images.get(image) or {}
            # A disk of 0 means as large as the image.
            small = 0 < flavor["disk"] < limits.get("min_disk", 0)
            if small or flavor["ram"] < limits.get("min_ram", 0):
                wanted = f"{limits['min_ram']} MB, {limits['min_disk']} GB"
                advice = "choose a larger flavor, or a boot_volume"
                yield CheckResult(
                    what=f"flavor for image {image}",
                    needed=wanted,
                    there=size,
                    verdict=MISSING,
                    advice=advice,
                )


def _named(needed: CloudRequirements, state: CloudState) -> Iterator[CheckResult]:
    """Check that other resources and services exist."""
    wanted = [
        ("key pair", needed.key_pair, "openstack keypair list"),
        ("external network", needed.external_network, "openstack network list --external"),
        ("network", needed.network, "openstack network list"),
        ("router", needed.router, "openstack router list"),
        *(("zone", name, "openstack availability zone list --compute") for name in needed.zones),
        *(
            ("volume zone", name, "openstack availability zone list --volume")
            for name in needed.volume_zones
        ),
        *(("volume type", name, "openstack volume type list") for name in needed.volume_types),
    ]
    for kind, name, command in wanted:
        if name and (kind, name) in state.names:
            exists = state.names[kind, name] is not None
            yield CheckResult(
                what=kind,
                needed=name,
                there="exists" if exists else "none",
                verdict=FINE if exists else MISSING,
                advice="" if exists else f"see '{command}'",
            )
    for service in needed.services:
        if ("service", service) in state.names:
            exists = state.names["service", service] is not None
            advice = "" if exists else "remove the settings that require this service"
            yield CheckResult(what="service", needed=service, there="exists" if exists else "none",
                          verdict=FINE if exists else MISSING, advice=advice)  # fmt: skip


def _provider(needed: CloudRequirements, state: CloudState) -> Iterator[CheckResult]:
    """Check the provider of the load balancer; the cloud does not report which is the default."""
    if LOAD_BALANCERS not in needed.services or not state.providers:
        return
    if needed.provider:
        fits, advice = (
            needed.provider in state.providers,
            "see 'openstack loadbalancer provider list'",
        )
    else:
        fits, advice = state.providers != (OVN,), f"set control_plane.octavia.provider: {OVN}"
    yield CheckResult(
        what="load balancer provider",
        needed=needed.provider or "one with an HTTPS monitor",
        there=", ".join(state.providers),
        verdict=FINE if fits else MISSING,
        advice="" if fits else advice,
    )


def _network(needed: CloudRequirements, state: CloudState) -> Iterator[CheckResult]:
    """Check what Neutron would refuse on an existing network."""
    network = state.names.get(("network", needed.network))
    if network and needed.subnet:
        own = network.get("project_id") in (None, state.project)
        yield from existing_network.network_results(
            network,
            own=own or state.administrator,
            planned=bool(needed.addresses),
            address_pairs=needed.address_pairs,
            routed=needed.routed,
        )


def _subnet(needed: CloudRequirements, state: CloudState) -> Iterator[CheckResult]:
    """Check that an existing subnet has the range of cloud.nodes, and that addresses are free."""
    if not needed.subnet or ("subnet", needed.subnet) not in state.names:
        return
    subnet = state.names["subnet", needed.subnet]
    if subnet is None:
        yield CheckResult(
            what="subnet",
            needed=needed.subnet,
            there="none",
            verdict=MISSING,
            advice="see 'openstack subnet list'",
        )
        return
    yield from existing_network.subnet_results(
        subnet,
        nodes=needed.nodes,
        addresses=needed.addresses,
        taken=state.taken,
        config_drive=needed.config_drive,
    )


def _quotas(needed: CloudRequirements, state: CloudState) -> Iterator[CheckResult]:
    """Check amounts against quotas."""
    amounts = dict(needed.amounts)
    known = {name: flavor for name, flavor in state.flavors.items() if flavor}
    amounts["processors"] = sum(
        count * known[name]["vcpus"] for name, count in needed.flavors.items() if name in known
    )
    amounts["MB of memory"] = sum(
        count * known[name]["ram"] for name, count in needed.flavors.items() if name in known
    )
    for what, amount in amounts.items():
        if what not in state.quotas or not amount:
            continue
        used, limit = state.quotas[what]
        free = "no limit" if limit < 0 else f"{limit - used} of {limit}"
        short = 0 <= limit < used + amount
        advice = "delete unused resources, or request a larger quota" if short else ""
        yield CheckResult(
            what=what,
            needed=str(amount),
            there=free,
            verdict=MISSING if short else FINE,
            advice=advice,
        )


def _stack(needed: CloudRequirements, state: CloudState) -> CheckResult:
    """Check whether a stack of the cluster's name exists; never fails, as names can differ."""
    taken = state.names.get(("stack", needed.name)) is not None
    advice = "give the new stack another name, or update this one" if taken else ""
    return CheckResult(
        what="stack's name",
        needed=needed.name,
        there="exists" if taken else "free",
        verdict=FINE,
        advice=advice,
    )
