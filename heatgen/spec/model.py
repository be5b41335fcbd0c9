# SPDX-License-Identifier: Apache-2.0
"""The data model of ``cluster.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from heatgen.blocks.catalog import Block
from heatgen.layers import CONTROL, GROUP_LAYERS, KVSTORE, ORCHESTRATION
from heatgen.spec.machine import Machine
from heatgen.spec.workers import LayerChoice, Roll, WorkerGroup
from heatgen.yamlio.url import Url

CONTROL_COUNTS = (1, 3, 5)
OVN = "ovn"
"""Provider of Octavia without proxies: fewer algorithms and monitors, addresses of clients kept."""
VIP, OCTAVIA, NO_BALANCER = "vip", "octavia", "none"
"""Endpoint of the API: virtual IP address, Octavia load balancer, or the first node only."""
HEAT_SIGNAL, CFN_SIGNAL, TEMP_URL_SIGNAL = "heat", "cfn", "temp_url"
"""Reports of nodes: to the Heat API, to its CloudFormation API, to an object in Swift."""
PODS = ("network", "pods")
SERVICES = ("orchestration", "services")


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Resources of the cloud; names or ids as in the cloud."""

    external_network: str
    """'' if not required."""
    image: str
    nodes: IPv4Network
    first_address: IPv4Address
    """Address of the API; those of the control-plane nodes follow."""
    assigned: bool
    """Neutron assigns the addresses; ``first_address`` is not used."""
    config_drive: bool
    dns: tuple[str, ...]
    network: str
    subnet: str
    """Existing network and subnet; '' to create them."""
    router: str
    """Existing router; '' to create one, or if the subnet exists."""
    metadata: Mapping[str, str]
    tags: tuple[str, ...]
    signal_transport: str
    """How nodes report results to Heat."""


@dataclass(frozen=True)
class Octavia:
    """Properties of the Octavia load balancer."""

    provider: str
    """'' for the cloud's default."""
    algorithm: str
    monitor: str


@dataclass(frozen=True)
class ControlPlane:
    """The control-plane nodes."""

    count: int
    machine: Machine
    load_balancer: str
    octavia: Octavia


@dataclass(frozen=True, kw_only=True)
class Access:
    """Access from outside the cluster; ``ssh_key`` is '' for none."""

    api: tuple[str, ...]
    ssh: tuple[str, ...]
    ssh_key: str
    floating_ip: bool
    names: tuple[str, ...]
    """Additional names and addresses of the API, including the host of ``endpoint``."""
    endpoint: Url | None
    """At which users reach the API; None for the floating IP or the API's address."""
    admin_days: int
    """Validity of the administrator's certificate."""
    backup_recipients: str
    """Further certificates (PEM) to which backups are sealed; '' for none."""


@dataclass(frozen=True)
class Artifacts:
    """Sources of artifacts, images and packages: URLs without a final '/'; '' for upstream."""

    mirror: str
    registry: str
    apt_mirror: str


@dataclass(frozen=True, kw_only=True)
class Site:
    """Site-specific settings of every node; empty if not set."""

    http_proxy: str
    https_proxy: str
    no_proxy: tuple[str, ...]
    ca_certificates: str
    """PEM."""
    ntp_servers: tuple[str, ...]
    timeout_factor: int
    """Multiplies the time limits of steps."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of the cloud's Heat, named like its options in ``heat.conf``."""

    max_template_size: int
    """Bytes."""
    max_json_body_size: int
    """Bytes."""
    max_resources_per_stack: int
    max_software_configs_per_tenant: int


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The validated cluster specification."""

    name: str
    cloud: Cloud
    control_plane: ControlPlane
    workers: tuple[WorkerGroup, ...]
    layers: Mapping[str, LayerChoice]
    """Layers of the control plane, and of worker groups without blocks of their own."""
    access: Access
    artifacts: Artifacts
    site: Site
    overrides: Mapping[str, Mapping[str, Any]]
    limits: Limits

    @property
    def worker_count(self) -> int:
        """Return the number of workers in all groups."""
        return sum(group.count for group in self.workers)

    @property
    def backed_up(self) -> bool:
        """Return whether nodes back up etcd, so that a key must exist that opens the backups."""
        return self.layers[KVSTORE].options.get("backup") is True

    def options_of(self, block: Block) -> Mapping[str, Any]:
        """Return the values of a block's options, which are equal in all groups that use it.

        The trust block has no options.
        """
        uses = [self.layers[block.layer]] if block.layer in self.layers else []
        if block.layer in GROUP_LAYERS:
            uses += [group.layers[block.layer] for group in self.workers]
        return next((use.options for use in uses if use.use == block.name), {})

    @property
    def rolls(self) -> Mapping[str, Roll]:
        """How each group changes; control-plane nodes always change one after the other."""
        return {CONTROL: Roll(), **{group.name: group.roll for group in self.workers}}

    @property
    def emulated(self) -> str:
        """Version of Kubernetes as which the control plane behaves; '' for its own."""
        return str(self.layers[ORCHESTRATION].options.get("emulate", ""))

    def kubelet_version(self, group: str) -> str:
        """Return the version of the kubelets of a group; '' for that of the control plane.

        A group of workers can have its own version. The others keep the version as which the
        control plane behaves: to that version Kubernetes applies its policy of version skew.
        """
        own = next((item.version for item in self.workers if item.name == group), "")
        return own or self.emulated

    def group_options(
        self, block: Block, group: str, *, kubelet: bool = False
    ) -> Mapping[str, Any]:
        """Return the values of a block's options on the nodes of a group.

        Args:
            block: the block.
            group: the group; kubelets of workers can have another version of Kubernetes.
            kubelet: whether that is also the case on the control plane, as for its kubelets.
        """
        options = self.options_of(block)
        own = self.kubelet_version(group) if kubelet or group != CONTROL else ""
        return {**options, "version": own} if own and block.layer == ORCHESTRATION else options
