# SPDX-License-Identifier: Apache-2.0
"""How closed a node is, as plain values: its programs, files, ports, certificates and doors.

Part of the facts (see `model`), so: names, modes and states, never a key or what a secret says.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """A running component: the user it runs as, and its flags that `cis_rules` asks for."""

    user: str
    flags: dict[str, str]


@dataclass(frozen=True)
class Listener:
    """A TCP socket that waits for connections on the node's own network."""

    address: str
    port: int


@dataclass(frozen=True)
class FileMode:
    """A file of the cluster: octal mode, owner, and its kind as find(1) names it (f, d, l, s)."""

    path: str
    mode: str
    owner: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate; `distrust` is empty if the named authority signed it, else openssl's words."""

    subject: str
    issuer: str
    not_before: str
    not_after: str
    distrust: str


@dataclass(frozen=True)
class Handshake:
    """One way to speak TLS to a port: the protocol and cipher agreed on, or why it was refused."""

    agreed: str
    refused: str


@dataclass(frozen=True, kw_only=True)
class TlsPort:
    """A port that speaks TLS: what it agrees to when offered today's, old, or weak ways only."""

    address: str
    today: Handshake
    old: Handshake
    weak: Handshake
    certificate: Certificate | None


@dataclass(frozen=True)
class ApiAnswer:
    """HTTP codes of an API server's /readyz (0: no answer): with a pod's token, and without any."""

    token: int
    anonymous: int
    ms: int
    problem: str


@dataclass(frozen=True)
class KubeletPortAnswers:
    """HTTP codes of the kubelet: its own port without credentials, its read-only port (0: shut)."""

    anonymous: int
    read_only: int


@dataclass(frozen=True)
class AuditLog:
    """The apiserver's audit log: its size in bytes before and after a stranger asked for secrets.

    `path` is empty if the apiserver writes none; sizes are -1 where there is no such file.
    """

    path: str
    before: int
    after: int


@dataclass(frozen=True)
class AtRest:
    """How the run's own Secret lies in etcd: its encryption prefix ('' for none), never its value.

    plain: is the Secret's word readable in the raw value?
    """

    size: int
    prefix: str
    plain: bool


@dataclass(frozen=True)
class RuntimeView:
    """How the runtime runs this node's containers.

    cgroup: path of the probe's own. logs: Docker's own log options of the probe's container, by
    name, `driver` among them; empty for other runtimes, whose logs the kubelet turns over. mirrors:
    registry mirrors, sorted.
    """

    cgroup: str
    logs: dict[str, str]
    mirrors: list[str]
