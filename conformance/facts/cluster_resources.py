# SPDX-License-Identifier: Apache-2.0
"""Cluster-scoped API objects that affect every user, and the state of one idle connection.

Part of the facts, see ``model``. All of it is read from the API.
"""

from dataclasses import dataclass

from conformance.outcome import Unavailable


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An admission webhook whose ``failurePolicy`` is ``Fail``."""

    name: str
    kind: str
    """``validating`` or ``mutating``."""
    service: str
    """NAMESPACE/NAME; empty for a webhook that is called by URL."""
    endpoints: int
    """Ready endpoints of the service."""
    asked_about: str
    """Operations and resources that are rejected while the webhook does not answer."""


@dataclass(frozen=True)
class ApiService:
    """An APIService that is served by an extension API server."""

    name: str
    service: str
    """NAMESPACE/NAME."""
    problem: str
    """Reason and message of the condition Available; empty when it is True."""


@dataclass(frozen=True)
class Right:
    """One rule of a role."""

    verbs: list[str]
    objects: list[str]
    """Resources, or non-resource URLs."""

    def __str__(self) -> str:
        return f"{'/'.join(self.verbs)} {', '.join(self.objects)}"


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A binding of a role to anonymous clients, or to a group that contains every account."""

    name: str
    namespace: str
    """Empty for a ClusterRoleBinding."""
    role: str
    subject: str
    """The user or group."""
    rights: list[Right]
    """Rules of the role, without reviews of the client's own access."""


@dataclass(frozen=True)
class StorageClass:
    """A StorageClass."""

    name: str
    provisioner: str
    default: bool
    """Used for claims that name no class."""


@dataclass(frozen=True)
class TerminatingNamespace:
    """A namespace that is being deleted."""

    namespace: str
    seconds: float
    """Since its deletion was requested."""
    reasons: dict[str, str]
    """Messages of the conditions that are True, by type."""


@dataclass(frozen=True, kw_only=True)
class ClusterResources:
    """Cluster-scoped objects, and whether the API server reaches the kubelets."""

    webhooks: list[Webhook] | Unavailable
    api_services: list[ApiService] | Unavailable
    bindings: list[Binding] | Unavailable
    storage_classes: list[StorageClass] | Unavailable
    endings: list[TerminatingNamespace] | Unavailable
    kubelets: dict[str, str] | Unavailable
    """Why the API server cannot reach the kubelet, by Ready node; empty when it can."""


@dataclass(frozen=True)
class IdleConnection:
    """A connection to the API that carried no data for some time."""

    seconds: float
    """How long it was idle."""
    problem: str
    """Error of the request after that; empty if it succeeded."""
