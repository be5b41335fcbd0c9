# SPDX-License-Identifier: Apache-2.0
"""How a cluster is governed, as plain values: who must be asked, who may do what, what is stuck.

All of it is the API's own word; part of the facts (see `model`).
"""

from dataclasses import dataclass

from conformance.outcome import Unavailable


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """An admission webhook that must be asked (its failurePolicy is Fail).

    kind: `validating` or `mutating`. service: NAMESPACE/NAME, '' if it is a URL outside. endpoints:
    how many are ready. asked_about: what cannot be done without it.
    """

    name: str
    kind: str
    service: str
    endpoints: int
    asked_about: str


@dataclass(frozen=True)
class ApiService:
    """A part of the API that another server answers; `problem` is empty if it is available."""

    name: str
    service: str
    problem: str


@dataclass(frozen=True)
class Right:
    """One rule of a role: what may be done with which resources, or URLs."""

    verbs: list[str]
    objects: list[str]

    def __str__(self) -> str:
        return f"{'/'.join(self.verbs)} {', '.join(self.objects)}"


@dataclass(frozen=True, kw_only=True)
class Binding:
    """What a role gives to strangers, or to everybody.

    subject: the group or user. namespace: '' if it is everywhere. rights: what the role allows, but
    for questions about oneself.
    """

    name: str
    namespace: str
    role: str
    subject: str
    rights: list[Right]


@dataclass(frozen=True)
class StorageClass:
    """A class of storage, and whether it is what those get who name none."""

    name: str
    provisioner: str
    default: bool


@dataclass(frozen=True)
class TerminatingNamespace:
    """A namespace that is being deleted: for how many seconds, and what is in the way."""

    namespace: str
    seconds: float
    reasons: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class ClusterResources:
    """All of it. `kubelets`: why the API server gets no answer of a node's kubelet, '' if it does.

    Nodes that are not Ready are not asked.
    """

    webhooks: list[Webhook] | Unavailable
    api_services: list[ApiService] | Unavailable
    bindings: list[Binding] | Unavailable
    storage_classes: list[StorageClass] | Unavailable
    endings: list[TerminatingNamespace] | Unavailable
    kubelets: dict[str, str] | Unavailable


@dataclass(frozen=True)
class IdleConnection:
    """A connection to the API that said nothing for `seconds`; `problem` is empty if it lives."""

    seconds: float
    problem: str
