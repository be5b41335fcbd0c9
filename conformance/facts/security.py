# SPDX-License-Identifier: Apache-2.0
"""Hardening of a node: processes, files, ports, certificates, audit log, runtime.

Part of the facts, see ``model``: names, modes and states, never a key or the value of a Secret.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """A running component."""

    user: str
    """The user it runs as."""
    flags: dict[str, str]
    """Values of the flags that ``cis_rules`` names."""


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket in the host network namespace."""

    address: str
    port: int


@dataclass(frozen=True)
class FileMode:
    """Permissions of a file of the cluster."""

    path: str
    mode: str
    """Octal."""
    owner: str
    kind: str
    """Type as in find(1): ``f``, ``d``, ``l`` or ``s``."""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate."""

    subject: str
    issuer: str
    not_before: str
    not_after: str
    distrust: str
    """openssl's verification error; empty if the expected authority signed the certificate."""


@dataclass(frozen=True)
class Handshake:
    """Result of a TLS handshake."""

    agreed: str
    """Negotiated protocol and cipher; empty if the handshake failed."""
    refused: str
    """Why the handshake failed."""


@dataclass(frozen=True, kw_only=True)
class TlsPort:
    """A TLS port: handshakes with different offers of the client."""

    address: str
    today: Handshake
    """Current protocols and ciphers."""
    old: Handshake
    """TLS 1.1 at most."""
    weak: Handshake
    """TLS 1.2 with weak ciphers only."""
    certificate: Certificate | None


@dataclass(frozen=True)
class ApiAnswer:
    """HTTP status codes of /readyz of an API server; 0: no answer."""

    token: int
    """With the token of a pod."""
    anonymous: int
    """Without credentials."""
    ms: int
    problem: str


@dataclass(frozen=True)
class KubeletPortAnswers:
    """HTTP status codes of the kubelet; 0: the port is closed."""

    anonymous: int
    """Port 10250 without credentials."""
    read_only: int
    """Port 10255."""


@dataclass(frozen=True)
class AuditLog:
    """The audit log of the API server, around an anonymous request for all Secrets."""

    path: str
    """Empty if no log is configured."""
    before: int
    """Size before the request; -1 if the file does not exist."""
    after: int
    """Size after the request; -1 if the file does not exist."""


@dataclass(frozen=True)
class AtRest:
    """How the run's own Secret is stored in etcd."""

    size: int
    prefix: str
    """Encryption prefix of the raw value; empty if it is not encrypted."""
    plain: bool
    """Whether the raw value contains the Secret's value in plain text."""


@dataclass(frozen=True)
class RuntimeView:
    """Settings of the container runtime."""

    cgroup: str
    """Path of the probe container's cgroup."""
    logs: dict[str, str]
    """Docker's log options of the probe container, and its ``driver``.

    Empty for other runtimes: there the kubelet rotates logs.
    """
    mirrors: list[str]
    """Registry mirrors, sorted."""
