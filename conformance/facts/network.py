# SPDX-License-Identifier: Apache-2.0
"""Network paths, measured by the probes of each node. Part of the facts, see ``model``.

Times are in milliseconds. Mappings are keyed by the name of the target node.
"""

from dataclasses import dataclass

from conformance.outcome import Unavailable

ECHOES = 5  # replies after which the ping of the probe ends


@dataclass(frozen=True)
class Ping:
    """ICMP echo requests and replies.

    Load on a machine delays single replies; a slow path delays all of them.
    """

    sent: int
    received: int
    ms: float | None
    """Mean round-trip time."""
    least: float | None = None
    """Minimum round-trip time."""

    @property
    def is_complete(self) -> bool:
        """Whether every reply was received; ping may have sent one request more than needed."""
        return self.sent - self.received <= (1 if self.received >= ECHOES else 0)


@dataclass(frozen=True)
class Answer:
    """Response of a service over HTTP."""

    said: str
    """The body; empty without a response."""
    tries: int
    """Attempts, including the last."""
    ms: int
    """Time of the last attempt."""
    problem: str
    """Why the last attempt failed."""


@dataclass(frozen=True)
class Own:
    """The pod-network probe."""

    address: str
    mtu: int
    """Of eth0."""


@dataclass(frozen=True)
class Frames:
    """ICMP echoes with the Don't Fragment flag."""

    size: int
    """Bytes of the IP packet."""
    sent: int
    received: int
    problem: str
    """Error of the sender's kernel."""


@dataclass(frozen=True)
class Requests:
    """Consecutive HTTP requests, each on a new connection and without retries."""

    count: int
    failed: int
    slowest: int
    problem: str
    """Of the last failed request."""


@dataclass(frozen=True)
class Queries:
    """Queries to one name server."""

    ms: list[int]
    """Time of each answered query."""
    failed: int
    problem: str
    """Of the last failed query."""


@dataclass(frozen=True)
class MetadataAccess:
    """Access to the cloud's metadata service: why there was no connection; empty if there was."""

    pod: str
    """From the probe's pod."""
    host: str
    """From the node."""


@dataclass(frozen=True, kw_only=True)
class Paths:
    """Paths from the probes of one node to other nodes and services."""

    own: Own | Unavailable
    neighbour: Ping | Unavailable
    """From the probe's pod to another pod on the same node."""
    hosts: dict[str, Ping] | Unavailable
    """From the probe's pod to node addresses."""
    host_pings: dict[str, Ping] | Unavailable
    """From the node to node addresses."""
    frames: dict[str, Frames] | Unavailable
    """From the probe's pod to the probe's pod on each node, packets as large as its MTU."""
    seen_as: dict[str, str] | Unavailable
    """Client address of the probe's pod, as a pod on each node saw it."""
    direct: dict[str, Answer] | Unavailable
    """Services whose only pod is on the node, from the probe's pod."""
    itself: Answer | Unavailable
    """The Service whose endpoint is the probe's own pod."""
    nobody: Answer | Unavailable
    """A Service without endpoints."""
    sticky: list[str] | Unavailable
    """Responses of a Service with session affinity; ``-`` for none."""
    requests: Requests | Unavailable
    queries: dict[str, Queries] | Unavailable
    """By address of the name server."""
    outside: dict[str, Answer] | Unavailable
    """Client address that a pod sees behind a NodePort with ``externalTrafficPolicy: Local``."""
    forward: list[str] | Unavailable
    """iptables rules of the chain FORWARD and of chains it jumps to."""
    lease_seconds: dict[str, int] | Unavailable | None = None
    """Remaining seconds of flannel's leases, by subnet; read on one node only."""
    metadata: MetadataAccess | Unavailable | None = None
    """None: facts of a version that did not collect it."""
