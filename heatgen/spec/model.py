# SPDX-License-Identifier: Apache-2.0
"""The data model of ``cluster.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from heatgen.blocks.catalog import Block
from heatgen.layers import RUNTIME
from heatgen.spec.machine import Machine
from heatgen.spec.workers import LayerChoice, WorkerGroup

CONTROL_COUNTS = (1, 3, 5)
VIP, OCTAVIA, NO_BALANCER = "vip", "octavia", "none"
"""How the API is reached: by an address that moves, by Octavia, at the first node alone."""
PODS = ("network", "pods")
SERVICES = ("orchestration", "services")


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Where the cluster is built; names as the cloud knows them."""

    external_network: str
    """'' if nothing needs it."""
    image: str
    nodes: IPv4Network
    first_address: IPv4Address
    """The API's own; the control-plane nodes' follow."""
    dns: tuple[str, ...]
    network: str
    subnet: str
    """Network and subnet that are there; '' for new ones."""
    router: str
    """Router that is there; '' for a new one, or none where the subnet is there."""
    metadata: Mapping[str, str]
    tags: tuple[str, ...]


@dataclass(frozen=True)
class ControlPlane:
    """The control-plane nodes."""

    count: int
    machine: Machine
    load_balancer: str


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may reach the cluster from outside; ``ssh_key`` is '' for none."""

    api: tuple[str, ...]
    ssh: tuple[str, ...]
    ssh_key: str
    floating_ip: bool
    admin_days: int
    """Life of the administrator's certificate."""


@dataclass(frozen=True)
class Artifacts:
    """Where artifacts and images come from; '' for upstream. Both are URLs without a last '/'."""

    mirror: str
    registry: str


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the site wants of every node; '' and nothing for none."""

    http_proxy: str
    https_proxy: str
    no_proxy: tuple[str, ...]
    ca_certificates: str
    """PEM."""
    ntp_servers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What the cluster shall be."""

    name: str
    cloud: Cloud
    control_plane: ControlPlane
    workers: tuple[WorkerGroup, ...]
    layers: Mapping[str, LayerChoice]
    """Of the control plane, and of workers that name no other runtime."""
    access: Access
    artifacts: Artifacts
    site: Site
    overrides: Mapping[str, Mapping[str, Any]]

    @property
    def worker_count(self) -> int:
        """Workers of all groups."""
        return sum(group.count for group in self.workers)

    def options_of(self, block: Block) -> Mapping[str, Any]:
        """Return the values of a block's options: the same on all groups that use it.

        The trust block has none.
        """
        uses = [self.layers[block.layer]] if block.layer in self.layers else []
        if block.layer == RUNTIME:
            uses += [group.runtime for group in self.workers]
        return next((use.options for use in uses if use.use == block.name), {})
