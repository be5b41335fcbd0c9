# SPDX-License-Identifier: Apache-2.0
"""Edge: finds resources outside the stack that Kubernetes created and that outlive the stack.

cloud-provider-openstack and cinder-csi mark their resources with the cluster's name. Because its
default is ``kubernetes`` for every cluster, resources are also recognised by their location:

=================  ===================================================  =========================
resource           mark                                                 location
=================  ===================================================  =========================
load balancer      name ``kube_service_<cluster>_...``                  address in a stack's network
floating IP        description ``... external service ... from          port in a stack's network
                   cluster <cluster>``
volume             metadata ``cinder.csi.openstack.org/cluster``        attached to a stack's server
security group     description ``Security Group for ... Service
                   LoadBalancer in cluster <cluster>``
port                                                                    in a stack's network
=================  ===================================================  =========================

A network that contains ports outside the stack cannot be deleted, so the stack cannot either.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from heatgen.cloud.connection import Cloud, call
from heatgen.cloud.errors import CloudFailed
from heatgen.cloud.stack import Stack, resources
from heatgen.hot.deployments import GROUP, SERVER

CSI_CLUSTER = "cinder.csi.openstack.org/cluster"
CSI_CLAIM = "csi.storage.k8s.io/pvc/name"
SERVICE = "Kubernetes external service"
_NEUTRON_OWNER = "network:"
"""Prefix of ``device_owner`` of ports that Neutron creates itself."""


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """A resource outside the stack that belongs to the cluster."""

    kind: str
    identity: str
    name: str
    why: str
    """Why it is assumed to belong to the cluster."""
    blocks: bool
    """Whether it prevents the deletion of the stack."""


@dataclass(frozen=True)
class StackResources:
    """Ids of the resources of the stack."""

    cluster: str
    resources: frozenset[str]
    networks: frozenset[str]
    servers: frozenset[str]


@dataclass(frozen=True)
class SearchResult:
    """Orphans, and services that could not be searched."""

    orphans: tuple[Orphan, ...]
    unavailable: tuple[str, ...]


def find(stack: Stack, cluster: str, cloud: Cloud) -> SearchResult:
    """Find the resources that Kubernetes created outside a stack.

    Args:
        stack: the cluster's stack.
        cluster: name of the cluster in the configuration of Kubernetes's cloud provider.
        cloud: the cloud.
    """
    of_stack = _stack_resources(stack, cluster, cloud)
    connection = cloud.connection
    found: list[Orphan] = []
    unavailable: list[str] = []
    searches: dict[str, Callable[[], list[Orphan]]] = {
        "load-balancer": lambda: list(
            load_balancers(connection.load_balancer.load_balancers(), of_stack)
        ),
        "network": lambda: list(_network(connection.network, of_stack)),
        "block-storage": lambda: list(volumes(connection.block_storage.volumes(), of_stack)),
    }
    for service, search in searches.items():
        if not cloud.has(service):
            continue
        try:
            found += call(search)
        except CloudFailed as error:
            unavailable.append(f"{service}: {error}")
    return SearchResult(tuple(found), tuple(unavailable))


def load_balancers(items: Iterable[Any], of_stack: StackResources) -> Iterator[Orphan]:
    """Yield load balancers of services."""
    for item in items:
        if item.id in of_stack.resources:
            continue
        local = item.vip_network_id in of_stack.networks
        marked = str(item.name).startswith(f"kube_service_{of_stack.cluster}_")
        if local or marked:
            why = "in the cluster's network" if local else f"created for cluster {of_stack.cluster}"
            yield Orphan(
                kind="load balancer", identity=item.id, name=item.name, why=why, blocks=local
            )


def floating_ips(
    items: Iterable[Any], ports: dict[str, Any], of_stack: StackResources
) -> Iterator[Orphan]:
    """Yield floating IPs of services."""
    for item in items:
        if item.id in of_stack.resources:
            continue
        description = str(item.description or "")
        local = item.port_id in ports
        marked = SERVICE in description and description.endswith(f"from cluster {of_stack.cluster}")
        if local or marked:
            why = description or "assigned to a port in the cluster's network"
            yield Orphan(
                kind="floating IP",
                identity=item.id,
                name=item.floating_ip_address,
                why=why,
                blocks=local,
            )


def other_ports(ports: Iterable[Any], of_stack: StackResources) -> Iterator[Orphan]:
    """Yield ports in the cluster's networks that belong neither to the stack nor to Neutron."""
    for item in ports:
        owner = str(item.device_owner or "")
        own = item.id in of_stack.resources or item.device_id in of_stack.servers
        if not own and not owner.startswith(_NEUTRON_OWNER):
            why = f"in the cluster's network, {f'owned by {owner}' if owner else 'without owner'}"
            yield Orphan(
                kind="port", identity=item.id, name=item.name or item.id, why=why, blocks=True
            )


def security_groups(items: Iterable[Any], of_stack: StackResources) -> Iterator[Orphan]:
    """Yield security groups of services."""
    end = f"Service LoadBalancer in cluster {of_stack.cluster}"
    for item in items:
        description = str(item.description or "")
        if item.id not in of_stack.resources and description.endswith(end):
            yield Orphan(
                kind="security group",
                identity=item.id,
                name=item.name,
                why=description,
                blocks=False,
            )


def volumes(items: Iterable[Any], of_stack: StackResources) -> Iterator[Orphan]:
    """Yield volumes of claims."""
    for item in items:
        if item.id in of_stack.resources:
            continue
        metadata = item.metadata or {}
        attached = any(part.get("server_id") in of_stack.servers for part in item.attachments or ())
        marked = metadata.get(CSI_CLUSTER) == of_stack.cluster
        # Boot volumes that Nova created have no mark of CSI; Nova deletes them with the server.
        if marked or (attached and CSI_CLUSTER in metadata):
            claim = metadata.get(CSI_CLAIM)
            why = f"volume of claim {claim}" if claim else "created by cinder-csi"
            yield Orphan(
                kind="volume", identity=item.id, name=item.name or item.id, why=why, blocks=False
            )


def _network(network: Any, of_stack: StackResources) -> Iterator[Orphan]:
    """Yield orphans in Neutron."""
    ports = {
        port.id: port
        for identity in of_stack.networks
        for port in network.ports(network_id=identity)
    }
    yield from floating_ips(network.ips(), ports, of_stack)
    yield from security_groups(network.security_groups(), of_stack)
    yield from other_ports(ports.values(), of_stack)


def _stack_resources(stack: Stack, cluster: str, cloud: Cloud) -> StackResources:
    ids: dict[str, set[str]] = {}
    for item in resources(stack, cloud):
        if item.physical_resource_id and item.resource_type != GROUP:
            ids.setdefault(item.resource_type, set()).add(item.physical_resource_id)
    return StackResources(
        cluster=cluster,
        resources=frozenset().union(*ids.values()) if ids else frozenset(),
        networks=frozenset(ids.get("OS::Neutron::Net", ())),
        servers=frozenset(ids.get(SERVER, ())),
    )
