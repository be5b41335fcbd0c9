# SPDX-License-Identifier: Apache-2.0
"""Facts: the state of a cluster at one moment, as plain values.

``collect`` gathers them, the checks evaluate them, ``--save-facts`` and ``--replay`` store and load
them. They contain addresses, names and states; never a key, a token or the value of a Secret. A
value that could not be read is an ``Unavailable`` with the reason; ``None`` means that the object
does not exist.
Units: milliseconds unless a name has another one, bytes.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from conformance.facts.cluster_resources import ClusterResources, IdleConnection
from conformance.facts.components import Component
from conformance.facts.etcd import Backups, Running
from conformance.facts.machine import Machine, NodeLease
from conformance.facts.network import Answer, Paths, Ping
from conformance.facts.security import (
    ApiAnswer,
    AtRest,
    AuditLog,
    Certificate,
    FileMode,
    KubeletPortAnswers,
    Listener,
    Program,
    RuntimeView,
    TlsPort,
)
from conformance.outcome import UNRECORDED, InconclusiveError, Unavailable

FORMAT = 1
# Kubernetes before 1.24 used `master`.
CONTROL_ROLES = {"control-plane", "master"}


@dataclass(frozen=True)
class Taint:
    """A taint of a node."""

    key: str
    effect: str
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class NodeStatus:
    """A Node object."""

    name: str
    address: str
    """Of type InternalIP."""
    roles: list[str]
    labels: dict[str, str]
    taints: list[Taint]
    ready: bool
    reasons: dict[str, str]
    """Reason and message of conditions with an abnormal status, by type."""
    kubelet: str
    """Version of the kubelet."""
    runtime: str
    """Name and version of the container runtime."""
    milli_cpu: int
    """Allocatable CPU."""
    memory: int
    """Allocatable memory."""
    unschedulable: bool = False

    @property
    def is_control(self) -> bool:
        """Whether a role label assigns the node to the control plane."""
        return bool(CONTROL_ROLES & set(self.roles))

    @property
    def why_not_ready(self) -> str:
        """Reason and message of the condition Ready if it is not True."""
        return self.reasons.get("Ready", "no reason given")

    @property
    def is_silent(self) -> bool:
        """Whether the condition Ready is Unknown: the kubelet stopped posting its status."""
        return not self.ready and self.why_not_ready.startswith("NodeStatusUnknown")


@dataclass(frozen=True)
class Pod:
    """A running pod on the pod network."""

    namespace: str
    name: str
    node: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Leader:
    """The Lease of a leader-elected component of the control plane."""

    holder: str
    age: float
    """Seconds since the last renewal."""
    term: float
    """Its ``leaseDurationSeconds``."""
    renewed: str = ""
    """Its ``renewTime``."""
    moved: bool | None = None
    """Whether it was renewed while it was observed; null in old recordings."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """Services that the probes query."""

    web: str
    """Cluster IP of the run's own Service."""
    web_port: int
    node_port: int
    kubernetes: str
    """Cluster IP of the Service ``kubernetes``."""
    dns: str
    """Cluster IP of the cluster DNS; empty if there is no such Service."""
    namespace: str
    """Namespace of the run."""


@dataclass(frozen=True)
class SubnetEnv:
    """Contents of /run/flannel/subnet.env."""

    network: str
    """The pod network of the cluster."""
    subnet: str
    """Gateway address and prefix length of the node's subnet."""
    mtu: int


@dataclass(frozen=True, kw_only=True)
class Link:
    """A network device of the node."""

    mac: str
    mtu: int
    up: bool
    addresses: list[str]
    """IPv4 addresses with prefix length."""
    vni: int | None = None
    """Of a VXLAN device."""
    port: int | None = None
    """UDP port of a VXLAN device."""


@dataclass(frozen=True)
class Route:
    """An IPv4 route in the node's main table."""

    to: str
    via: str
    device: str


@dataclass(frozen=True)
class Forward:
    """An FDB entry of flannel's VXLAN device."""

    mac: str
    address: str
    """Of the node to which frames for the MAC address are sent."""


@dataclass(frozen=True)
class Neighbour:
    """An ARP entry of flannel's VXLAN device."""

    address: str
    mac: str
    state: str


@dataclass(frozen=True)
class Unit:
    """A systemd unit."""

    load: str
    """LoadState."""
    active: str
    """ActiveState."""
    sub: str
    """SubState."""
    file: str = ""
    """UnitFileState; empty if systemd does not report it."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A subnet lease of flannel."""

    subnet: str
    public_ip: str
    """Address of the node that owns the subnet."""
    backend: str
    mac: str
    """Of the node's VTEP."""
    vni: int | None


@dataclass(frozen=True)
class Member:
    """An entry of the member list of etcd."""

    id: str
    name: str
    """Empty until the member has started."""
    client_urls: list[str]
    learner: bool


@dataclass(frozen=True)
class Health:
    """Result of ``etcdctl endpoint health``."""

    healthy: bool
    problem: str
    """Empty if the member is healthy."""


@dataclass(frozen=True, kw_only=True)
class MemberStatus:
    """Result of ``etcdctl endpoint status``. IDs are decimal; old recordings lack Raft values."""

    member: str
    leader: str
    """ID of the leader; ``0`` if the member has none."""
    cluster: str
    version: str
    learner: bool
    errors: list[str]
    term: int = 0
    """Raft term; each election increments it."""
    index: int = 0
    """Index of the last Raft entry."""
    applied: int = 0
    """Index of the last Raft entry that was applied to the database."""


@dataclass(frozen=True)
class ClientPortAnswers:
    """HTTP status codes of etcd's client port; 0: connection refused or reset."""

    certificate: int
    """Over TLS with a client certificate."""
    no_certificate: int
    """Over TLS without one."""
    plain: int
    """Over plain HTTP."""


@dataclass(frozen=True, kw_only=True)
class Etcd:
    """An etcd member, queried on its own node."""

    endpoint: str
    health: Health | Unavailable
    status: MemberStatus | Unavailable
    members: list[Member] | Unavailable
    alarms: list[str] | Unavailable
    doors: ClientPortAnswers | Unavailable
    """Whether the client port requires certificates."""
    rights: dict[str, str] | Unavailable = UNRECORDED
    """Read access by "CLIENT PREFIX": ``allowed``, ``denied``, or why it is not known."""
    at_rest: AtRest | Unavailable = UNRECORDED
    later: MemberStatus | Unavailable = UNRECORDED
    """The status again, at the end of the probe."""
    running: Running | Unavailable = UNRECORDED


@dataclass(frozen=True)
class Lookup:
    """Result of a DNS lookup."""

    addresses: list[str]
    """Empty if the name did not resolve."""
    ms: int
    problem: str
    """Why the name did not resolve."""


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """Facts that the probes of one node collected. Mappings without a comment are by node name."""

    subnet_env: SubnetEnv | Unavailable | None
    links: dict[str, Link] | Unavailable
    """By name of the device."""
    routes: list[Route] | Unavailable
    forwards: list[Forward] | Unavailable
    neighbours: list[Neighbour] | Unavailable
    sysctls: dict[str, str] | Unavailable
    """By path below /proc/sys."""
    units: dict[str, Unit] | Unavailable
    """By name without ``.service``."""
    flanneld: bool | Unavailable
    """Whether a process of flanneld exists."""
    leases: list[Lease] | Unavailable | None
    """Subnet leases in etcd."""
    etcd: Etcd | Unavailable | None
    pod_pings: dict[str, Ping] | Unavailable
    """From the probe's pod to the probe's pod on each node."""
    host_pings: dict[str, Ping] | Unavailable
    """From the node to the probe's pod on each node."""
    web_from_pod: Answer | Unavailable
    """The run's own Service, requested from the probe's pod."""
    web_from_host: Answer | Unavailable
    """The run's own Service, requested from the node."""
    node_ports: dict[str, Answer] | Unavailable
    """The NodePort of that Service."""
    nameservers: list[str] | Unavailable
    """From /etc/resolv.conf of the probe's pod."""
    lookups: dict[str, Lookup] | Unavailable
    """By the name that was looked up."""
    upstream_nameservers: list[str] | Unavailable = UNRECORDED
    """From /etc/resolv.conf of a pod with dnsPolicy Default: those to which CoreDNS forwards."""
    api: dict[str, ApiAnswer] | Unavailable = UNRECORDED
    """By URL of the API server."""
    endpoint: str | Unavailable = UNRECORDED
    """URL of the API server in the kubelet's kubeconfig."""
    programs: dict[str, Program] | Unavailable = UNRECORDED
    """By name."""
    listeners: list[Listener] | Unavailable = UNRECORDED
    files: list[FileMode] | Unavailable = UNRECORDED
    ports: dict[str, TlsPort] | Unavailable = UNRECORDED
    """By ``api``, ``kubelet``, ``etcd``, ``peer``."""
    certificates: dict[str, Certificate] | Unavailable = UNRECORDED
    """By path of the file."""
    kubelet: dict[str, str] | Unavailable = UNRECORDED
    """Running configuration of the kubelet; nested keys are joined by dots."""
    kubelet_doors: KubeletPortAnswers | Unavailable = UNRECORDED
    """Whether the kubelet answers without credentials."""
    audit: AuditLog | Unavailable | None = UNRECORDED
    """Null where no API server runs."""
    runtime: RuntimeView | Unavailable = UNRECORDED
    components: list[Component] | Unavailable = UNRECORDED
    machine: Machine | Unavailable = UNRECORDED
    paths: Paths | Unavailable = UNRECORDED
    backups: Backups | Unavailable | None = UNRECORDED
    """Backups of etcd; null where the node reports none."""

    @classmethod
    def unavailable(cls, reason: str, permanent: bool = False) -> "NodeView":
        """Return a view in which every fact is unavailable."""
        nothing = Unavailable(reason, permanent)
        return cls(**{part.name: nothing for part in dataclasses.fields(cls)})


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a cluster."""

    taken: str
    """When they were collected, by the API server's clock."""
    server: str
    """Version of the API server."""
    nodes: dict[str, NodeStatus]
    """Node objects by name."""
    pods: list[Pod]
    services: Services
    views: dict[str, NodeView]
    """Results of the probes by node."""
    expected: dict[str, Any] | None = None
    """The expectation that was passed with ``--expect``."""
    leaders: dict[str, Leader] | Unavailable = UNRECORDED
    """By name of the Lease."""
    dns: list[Pod] | Unavailable = UNRECORDED
    """Running pods of the cluster DNS."""
    api_addresses: list[str] | Unavailable = UNRECORDED
    """Endpoints of the Service ``kubernetes``."""
    anonymous: int | Unavailable = UNRECORDED
    """HTTP status code of an anonymous request for all Secrets."""
    noted_leases: list[Lease] | Unavailable = UNRECORDED
    """Subnet leases in annotations of nodes (flannel with ``--kube-subnet-mgr``)."""
    governance: ClusterResources | Unavailable = UNRECORDED
    idle: IdleConnection | Unavailable = UNRECORDED
    api_servers: list[str] | Unavailable = UNRECORDED
    """URL of each API server."""
    readiness: dict[str, str] | Unavailable = UNRECORDED
    """Result of each check of /readyz: ``ok``, or why it failed."""
    not_stored: str | Unavailable = UNRECORDED
    """Why the API did not store the run's objects; empty if it did."""
    causes: dict[str, str] = field(default_factory=dict)
    """Why the probes of a node do not run, by node."""
    node_leases: dict[str, NodeLease] | Unavailable = UNRECORDED
    """Leases of the kubelets by node."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Duration of each phase of the collection."""
    format: int = FORMAT

    def status(self, node: str) -> NodeStatus:
        """Return the Node object of ``node``.

        Raises:
            InconclusiveError: the node was deleted during the run, or the API did not return it.
        """
        found = self.nodes.get(node)
        if found is None:
            raise InconclusiveError(f"{node}: the node was deleted during the run")
        if not found.kubelet:  # a placeholder: see preflight
            raise InconclusiveError(f"{node}: {self.not_stored or found.why_not_ready}")
        return found

    def view(self, node: str) -> NodeView:
        """Return the results of the node's probes; without a probe, all are unavailable."""
        missing = f"{node}: no probe ran, because the node is not registered"
        return self.views.get(node) or NodeView.unavailable(missing)
