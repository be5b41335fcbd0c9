# SPDX-License-Identifier: Apache-2.0
"""How packets and answers travel, as each node's probes saw it: plain values, part of the facts.

Times are in milliseconds. Maps are keyed by the name of the node at the other end.
"""

from dataclasses import dataclass

from conformance.outcome import Unavailable

ECHOES = 5  # replies after which the probe's ping ends


@dataclass(frozen=True)
class Ping:
    """Echo requests and replies; `ms` is the mean time of those that came back, `least` the best.

    What delays one echo is the load of a machine; what delays all of them is the way.
    """

    sent: int
    received: int
    ms: float | None
    least: float | None = None

    @property
    def is_whole(self) -> bool:
        """Did every echo come back? One more than was asked for may be on its way."""
        return self.sent - self.received <= (1 if self.received >= ECHOES else 0)


@dataclass(frozen=True)
class Answer:
    """What a service said ('' if nothing), in how many tries, the last one's time, the problem."""

    said: str
    tries: int
    ms: int
    problem: str


@dataclass(frozen=True)
class Own:
    """The pod-network probe itself: its address, the MTU of its only device."""

    address: str
    mtu: int


@dataclass(frozen=True)
class Frames:
    """Echoes of `size` bytes that must not be broken up; `problem` is what the sender was told."""

    size: int
    sent: int
    received: int
    problem: str


@dataclass(frozen=True)
class Requests:
    """Requests one after another, each a connection of its own that is tried once."""

    count: int
    failed: int
    slowest: int
    problem: str


@dataclass(frozen=True)
class Queries:
    """Questions to one name server: the time of each that was answered, how many were not."""

    ms: list[int]
    failed: int
    problem: str


@dataclass(frozen=True, kw_only=True)
class Paths:
    """What one node's probes saw of the ways to others.

    neighbour: from the probe's pod to another pod of its node. hosts, host_pings: from the pod, and
    from the node itself, to the nodes' own addresses. seen_as: the address that a pod on the node
    there saw. direct: services whose only pod is on that node, asked from the probe's pod. itself:
    its own service. nobody: a service without any pod. sticky: the answers of a service that keeps
    its clients. outside: who a NodePort with externalTrafficPolicy Local says has asked. queries:
    by the name server's address. forward: rules for packets passed on. lease_seconds: what is left
    of the leases, by subnet, where this node was asked.
    """

    own: Own | Unavailable
    neighbour: Ping | Unavailable
    hosts: dict[str, Ping] | Unavailable
    host_pings: dict[str, Ping] | Unavailable
    frames: dict[str, Frames] | Unavailable
    seen_as: dict[str, str] | Unavailable
    direct: dict[str, Answer] | Unavailable
    itself: Answer | Unavailable
    nobody: Answer | Unavailable
    sticky: list[str] | Unavailable
    requests: Requests | Unavailable
    queries: dict[str, Queries] | Unavailable
    outside: dict[str, Answer] | Unavailable
    forward: list[str] | Unavailable
    lease_seconds: dict[str, int] | Unavailable | None = None
