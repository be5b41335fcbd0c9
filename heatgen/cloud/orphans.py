# SPDX-License-Identifier: Apache-2.0
"""Edge: what Kubernetes made in the cloud outside the stack, and what would outlive its deletion.

cloud-provider-openstack and cinder-csi mark what they make with the cluster's name, but by default
every cluster is called ``kubernetes`` there; so it is also told by where it is:

=================  ===================================================  =========================
what               marked by                                            or found by
=================  ===================================================  =========================
load balancer      name ``kube_service_<cluster>_...``                  address in a stack's network
floating IP        description ``... external service ... from          port in a stack's network
                   cluster <cluster>``
volume             metadata ``cinder.csi.openstack.org/cluster``        attached to a stack's server
security group     description ``Security Group for ... Service
                   LoadBalancer in cluster <cluster>``
port                                                                    in a stack's network
=================  ===================================================  =========================

A network with ports of others in it cannot be deleted, and so the stack cannot.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from heatgen.cloud.connection import Cloud, CloudFailed, asked
from heatgen.cloud.stack import DEPTH, Stack
from heatgen.hot.deployments import GROUP, SERVER

CSI_CLUSTER = "cinder.csi.openstack.org/cluster"
CSI_CLAIM = "csi.storage.k8s.io/pvc/name"
SERVICE = "Kubernetes external service"
_NEUTRONS_OWN = "network:"


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """Something outside the stack."""

    kind: str
    identity: str
    name: str
    why: str
    """How it is known to belong to the cluster."""
    blocks: bool
    """Whether the stack cannot be deleted as long as it is there."""


@dataclass(frozen=True)
class Inside:
    """What the stack has, by id."""

    cluster: str
    resources: frozenset[str]
    networks: frozenset[str]
    servers: frozenset[str]


@dataclass(frozen=True)
class Found:
    """What was found, and what could not be asked."""

    orphans: tuple[Orphan, ...]
    unasked: tuple[str, ...]


def find(stack: Stack, cluster: str, cloud: Cloud) -> Found:
    """What Kubernetes made outside a stack.

    Args:
        stack: the cluster's.
        cluster: its name, as Kubernetes's cloud provider was told.
        cloud: where.
    """
    inside = _inside(stack, cluster, cloud)
    connection = cloud.connection
    found: list[Orphan] = []
    unasked: list[str] = []
    questions: dict[str, Callable[[], list[Orphan]]] = {
        "load-balancer": lambda: list(balancers(connection.load_balancer.load_balancers(), inside)),
        "network": lambda: list(_network(connection.network, inside)),
        "block-storage": lambda: list(volumes(connection.block_storage.volumes(), inside)),
    }
    for service, question in questions.items():
        # A cloud without the service has nothing of it.
        if not cloud.has(service):
            continue
        try:
            found += asked(question)
        except CloudFailed as error:
            unasked.append(f"{service}: {error}")
    return Found(tuple(found), tuple(unasked))


def balancers(items: Iterable[Any], inside: Inside) -> Iterator[Orphan]:
    """Load balancers of services."""
    for item in items:
        if item.id in inside.resources:
            continue
        here = item.vip_network_id in inside.networks
        named = str(item.name).startswith(f"kube_service_{inside.cluster}_")
        if here or named:
            why = "in the cluster's network" if here else f"made for cluster {inside.cluster}"
            yield Orphan(
                kind="load balancer", identity=item.id, name=item.name, why=why, blocks=here
            )


def floating_ips(items: Iterable[Any], ports: dict[str, Any], inside: Inside) -> Iterator[Orphan]:
    """Floating IPs of services."""
    for item in items:
        if item.id in inside.resources:
            continue
        said = str(item.description or "")
        here = item.port_id in ports
        named = SERVICE in said and said.endswith(f"from cluster {inside.cluster}")
        if here or named:
            why = said or "leads to a port in the cluster's network"
            yield Orphan(
                kind="floating IP",
                identity=item.id,
                name=item.floating_ip_address,
                why=why,
                blocks=here,
            )


def ports_of_others(ports: Iterable[Any], inside: Inside) -> Iterator[Orphan]:
    """Ports in the cluster's networks that neither the stack nor Neutron itself keeps."""
    for item in ports:
        owner = str(item.device_owner or "")
        ours = item.id in inside.resources or item.device_id in inside.servers
        if not ours and not owner.startswith(_NEUTRONS_OWN):
            why = f"in the cluster's network, of {owner or 'nobody'}"
            yield Orphan(
                kind="port", identity=item.id, name=item.name or item.id, why=why, blocks=True
            )


def security_groups(items: Iterable[Any], inside: Inside) -> Iterator[Orphan]:
    """Security groups of services."""
    end = f"Service LoadBalancer in cluster {inside.cluster}"
    for item in items:
        said = str(item.description or "")
        if item.id not in inside.resources and said.endswith(end):
            yield Orphan(
                kind="security group", identity=item.id, name=item.name, why=said, blocks=False
            )


def volumes(items: Iterable[Any], inside: Inside) -> Iterator[Orphan]:
    """Volumes of claims."""
    for item in items:
        if item.id in inside.resources:
            continue
        metadata = item.metadata or {}
        attached = any(part.get("server_id") in inside.servers for part in item.attachments or ())
        named = metadata.get(CSI_CLUSTER) == inside.cluster
        # What Nova made to boot from has no mark of CSI and goes with its server.
        if named or (attached and CSI_CLUSTER in metadata):
            claim = metadata.get(CSI_CLAIM)
            why = f"volume of claim {claim}" if claim else "made by cinder-csi"
            yield Orphan(
                kind="volume", identity=item.id, name=item.name or item.id, why=why, blocks=False
            )


def _network(network: Any, inside: Inside) -> Iterator[Orphan]:
    """What Neutron knows."""
    ports = {
        port.id: port for identity in inside.networks for port in network.ports(network_id=identity)
    }
    yield from floating_ips(network.ips(), ports, inside)
    yield from security_groups(network.security_groups(), inside)
    yield from ports_of_others(ports.values(), inside)


def _inside(stack: Stack, cluster: str, cloud: Cloud) -> Inside:
    heat = cloud.heat()
    ids: dict[str, set[str]] = {}
    for item in asked(heat.resources.list, stack.path, nested_depth=DEPTH):
        if item.physical_resource_id and item.resource_type != GROUP:
            ids.setdefault(item.resource_type, set()).add(item.physical_resource_id)
    return Inside(
        cluster=cluster,
        resources=frozenset().union(*ids.values()) if ids else frozenset(),
        networks=frozenset(ids.get("OS::Neutron::Net", ())),
        servers=frozenset(ids.get(SERVER, ())),
    )
