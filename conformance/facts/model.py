# SPDX-License-Identifier: Apache-2.0
"""What is known about a cluster at one moment, as plain values.

`collect` makes them, the checks judge them, `--save-facts` and `--replay` store and load them. They
hold addresses, names and states; never a key, a token or the contents of a secret. A value that
could not be asked is an `Unavailable` with the reason; `None` means that the node was asked and has
no such thing.
Units: times in milliseconds unless a name says otherwise, sizes in bytes.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from conformance.facts.cluster_resources import ClusterResources, IdleConnection
from conformance.facts.components import Component
from conformance.facts.etcd import Running
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
from conformance.outcome import InconclusiveError, Unavailable

FORMAT = 1
# What a recording does not hold that was made before the suite asked for it.
UNRECORDED = Unavailable("this recording is older than the question", permanent=True)
# kubeadm's and ours are `control-plane`; before 1.24 it was `master`.
CONTROL_ROLES = {"control-plane", "master"}


@dataclass(frozen=True)
class Taint:
    """A taint as the API tells it."""

    key: str
    effect: str
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class NodeStatus:
    """What the API says about a node. `reasons`: why a condition is not as it should be."""

    name: str
    address: str
    roles: list[str]
    labels: dict[str, str]
    taints: list[Taint]
    ready: bool
    reasons: dict[str, str]
    kubelet: str
    runtime: str
    milli_cpu: int
    memory: int
    unschedulable: bool = False

    @property
    def is_control(self) -> bool:
        """Does the node run the control plane, by its role label?"""
        return bool(CONTROL_ROLES & set(self.roles))

    @property
    def why_not_ready(self) -> str:
        """What the condition Ready says, where it is not True."""
        return self.reasons.get("Ready", "no reason given")

    @property
    def is_silent(self) -> bool:
        """Has its kubelet not been heard of for so long that the API gave it up?"""
        return not self.ready and self.why_not_ready.startswith("NodeStatusUnknown")


@dataclass(frozen=True)
class Pod:
    """A running pod with an address of its own (host-network pods are left out)."""

    namespace: str
    name: str
    node: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Leader:
    """Who holds a lease of the control plane; `age` of its last renewal and `term` in seconds.

    renewed: when, as the API has it. moved: was it renewed while it was looked at? `None` in old
    recordings.
    """

    holder: str
    age: float
    term: float
    renewed: str = ""
    moved: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Services:
    """The services that were asked: the run's own, the API's, the cluster's DNS ('' if none)."""

    web: str
    web_port: int
    node_port: int
    kubernetes: str
    dns: str
    namespace: str


@dataclass(frozen=True)
class SubnetEnv:
    """/run/flannel/subnet.env: all pods' network; the node's gateway address/prefix; the MTU."""

    network: str
    subnet: str
    mtu: int


@dataclass(frozen=True, kw_only=True)
class Link:
    """A network device of the node. `vni` and `port` only for VXLAN devices."""

    mac: str
    mtu: int
    up: bool
    addresses: list[str]
    vni: int | None = None
    port: int | None = None


@dataclass(frozen=True)
class Route:
    """An IPv4 route of the node's main table."""

    to: str
    via: str
    device: str


@dataclass(frozen=True)
class Forward:
    """A forwarding entry of flannel.1: frames for `mac` go to the node at `address`."""

    mac: str
    address: str


@dataclass(frozen=True)
class Neighbour:
    """An ARP entry of flannel.1."""

    address: str
    mac: str
    state: str


@dataclass(frozen=True)
class Unit:
    """A systemd unit: LoadState, ActiveState, SubState, UnitFileState ('' if not told)."""

    load: str
    active: str
    sub: str
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A flannel lease in etcd: `subnet` belongs to the node at `public_ip`, its VTEP has `mac`."""

    subnet: str
    public_ip: str
    backend: str
    mac: str
    vni: int | None


@dataclass(frozen=True)
class Member:
    """An etcd member as one member lists it. `name` is empty until the member has started."""

    id: str
    name: str
    client_urls: list[str]
    learner: bool


@dataclass(frozen=True)
class Health:
    """What a member says of itself; `problem` is empty when it is healthy."""

    healthy: bool
    problem: str


@dataclass(frozen=True, kw_only=True)
class MemberStatus:
    """A member's own view; identities are decimal text. `leader` is '0' if it knows none.

    term: raft's, by which elections are counted. index, applied: raft's last entry, and the last
    that is in the database. All are 0 in old recordings.
    """

    member: str
    leader: str
    cluster: str
    version: str
    learner: bool
    errors: list[str]
    term: int = 0
    index: int = 0
    applied: int = 0


@dataclass(frozen=True)
class ClientPortAnswers:
    """How etcd's client port answers: HTTP codes, 0 where the connection was refused or cut."""

    certificate: int
    no_certificate: int
    plain: int


@dataclass(frozen=True, kw_only=True)
class Etcd:
    """An etcd member, asked on its own node.

    rights: what its clients' certificates may read, as "CLIENT PREFIX" to `allowed`, `denied` or
    why it could not be asked. later: its own view again, when all else had been asked.
    """

    endpoint: str
    health: Health | Unavailable
    status: MemberStatus | Unavailable
    members: list[Member] | Unavailable
    alarms: list[str] | Unavailable
    doors: ClientPortAnswers | Unavailable
    rights: dict[str, str] | Unavailable = UNRECORDED
    at_rest: AtRest | Unavailable = UNRECORDED
    later: MemberStatus | Unavailable = UNRECORDED
    running: Running | Unavailable = UNRECORDED


@dataclass(frozen=True)
class Lookup:
    """The addresses of a name, none if it did not resolve; the time, the reason."""

    addresses: list[str]
    ms: int
    problem: str


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """What a node's own probes saw. Maps are keyed by node name, `lookups` by the name asked.

    api: by URL of an API server. endpoint: the URL in the kubelet's kubeconfig. programs: by name.
    ports: by `api`, `kubelet`, `etcd`, `peer`. certificates: by path of the file. kubelet: its live
    configuration, nested keys joined by dots.
    """

    subnet_env: SubnetEnv | Unavailable | None
    links: dict[str, Link] | Unavailable
    routes: list[Route] | Unavailable
    forwards: list[Forward] | Unavailable
    neighbours: list[Neighbour] | Unavailable
    sysctls: dict[str, str] | Unavailable
    units: dict[str, Unit] | Unavailable
    flanneld: bool | Unavailable
    leases: list[Lease] | Unavailable | None
    etcd: Etcd | Unavailable | None
    pod_pings: dict[str, Ping] | Unavailable
    host_pings: dict[str, Ping] | Unavailable
    web_from_pod: Answer | Unavailable
    web_from_host: Answer | Unavailable
    node_ports: dict[str, Answer] | Unavailable
    nameservers: list[str] | Unavailable
    lookups: dict[str, Lookup] | Unavailable
    api: dict[str, ApiAnswer] | Unavailable = UNRECORDED
    endpoint: str | Unavailable = UNRECORDED
    programs: dict[str, Program] | Unavailable = UNRECORDED
    listeners: list[Listener] | Unavailable = UNRECORDED
    files: list[FileMode] | Unavailable = UNRECORDED
    ports: dict[str, TlsPort] | Unavailable = UNRECORDED
    certificates: dict[str, Certificate] | Unavailable = UNRECORDED
    kubelet: dict[str, str] | Unavailable = UNRECORDED
    kubelet_doors: KubeletPortAnswers | Unavailable = UNRECORDED
    audit: AuditLog | Unavailable | None = UNRECORDED
    runtime: RuntimeView | Unavailable = UNRECORDED
    components: list[Component] | Unavailable = UNRECORDED
    machine: Machine | Unavailable = UNRECORDED
    paths: Paths | Unavailable = UNRECORDED

    @classmethod
    def unasked(cls, reason: str, permanent: bool = False) -> "NodeView":
        """A node of which nothing could be asked."""
        nothing = Unavailable(reason, permanent)
        return cls(**{part.name: nothing for part in dataclasses.fields(cls)})


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A whole cluster: `nodes` is the API's word, `views` the nodes' own, `expected` as given.

    leaders: by name of the lease. dns: CoreDNS's running pods. api_addresses: where the service
    `kubernetes` leads. anonymous: HTTP code for a stranger who asks the API for all secrets.
    idle: what became of a connection to the API that nobody used.
    noted_leases: flannel's, where it keeps them as annotations of nodes (`--kube-subnet-mgr`).
    api_servers: URL of each. readiness: what the API says of its own parts, `ok` or why not.
    not_stored: why the API did not take the run's objects, '' if it did. causes: by node, why its
    probes do not run.
    node_leases: the kubelets', by node.
    """

    taken: str
    server: str
    nodes: dict[str, NodeStatus]
    pods: list[Pod]
    services: Services
    views: dict[str, NodeView]
    expected: dict[str, Any] | None = None
    leaders: dict[str, Leader] | Unavailable = UNRECORDED
    dns: list[Pod] | Unavailable = UNRECORDED
    api_addresses: list[str] | Unavailable = UNRECORDED
    anonymous: int | Unavailable = UNRECORDED
    noted_leases: list[Lease] | Unavailable = UNRECORDED
    governance: ClusterResources | Unavailable = UNRECORDED
    idle: IdleConnection | Unavailable = UNRECORDED
    api_servers: list[str] | Unavailable = UNRECORDED
    readiness: dict[str, str] | Unavailable = UNRECORDED
    not_stored: str | Unavailable = UNRECORDED
    causes: dict[str, str] = field(default_factory=dict)
    node_leases: dict[str, NodeLease] | Unavailable = UNRECORDED
    seconds: dict[str, float] = field(default_factory=dict)
    format: int = FORMAT

    def status(self, node: str) -> NodeStatus:
        """What the API says about `node`.

        Raises:
            InconclusiveError: it is gone meanwhile, or the API tells nothing of it: a node that it
                does tell of has a kubelet's version.
        """
        found = self.nodes.get(node)
        if found is None:
            raise InconclusiveError(f"{node}: the node is not there any more")
        if not found.kubelet:
            raise InconclusiveError(f"{node}: {self.not_stored or found.why_not_ready}")
        return found

    def view(self, node: str) -> NodeView:
        """What `node` itself told; without a probe there, all of it is unasked."""
        missing = f"{node}: no probe ran there, for the node is not registered"
        return self.views.get(node) or NodeView.unasked(missing)
