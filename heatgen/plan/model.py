# SPDX-License-Identifier: Apache-2.0
"""The data model of a plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from heatgen.plan import security_groups
from heatgen.plan.inputs import ApiExternal, Value
from heatgen.spec.model import Spec


@dataclass(frozen=True)
class ControlServer:
    """A control-plane node and the address it will have."""

    index: int
    address: IPv4Address


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A volume of its own for a control-plane node."""

    layer: str
    name: str
    index: int
    size: int
    """GiB."""
    type: str
    """'' for the cloud's default."""
    zone: str
    """'' for Cinder's choice."""


@dataclass(frozen=True)
class StepConfig:
    """A step's script, with the inputs and outputs that it declares to Heat."""

    name: str
    script: tuple[str, ...]
    """Its text; of a step that installs the library two pieces, the library belongs between."""
    inputs: Mapping[str, str]
    """Name to Heat's type: String or Json."""
    outputs: Mapping[str, str]
    """Name to description."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A step on one control-plane node (``index``) or on a group of workers (None)."""

    name: str
    layer: str
    step: str
    group: str
    index: int | None
    config: str
    requires: tuple[str, ...]
    """Names of deployments that must be complete before."""
    inputs: Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A cluster, decided."""

    spec: Spec
    control: tuple[ControlServer, ...]
    api_host: str
    """Address by which the cluster's own components reach the API."""
    api_external: ApiExternal | str
    """Address by which users reach the API."""
    worker_room: int
    """How many workers find addresses for themselves and for their pods."""
    pool: tuple[IPv4Address, IPv4Address]
    """First and last address that Neutron hands out to workers."""
    volumes: tuple[Volume, ...]
    rules: tuple[security_groups.Rule, ...]
    configs: tuple[StepConfig, ...]
    deployments: tuple[Deployment, ...]
    """In an order in which each comes after those it requires."""
    library: str
    """What all steps share; the first steps of a node install it."""
    agent: str
    agent_unit: str
    admin_request: str
    """The administrator's certificate request (PEM)."""
    dns: str
    """Address of the cluster's DNS."""
    artifacts: Mapping[str, str]
    """What nodes fetch: URL, the mirror's if there is one, to SHA-256."""
    images: tuple[str, ...]
    """References with digests."""
    facts: Mapping[str, Mapping[str, Any]]
    """By block: what the suite must know."""

    @property
    def control_addresses(self) -> list[str]:
        """Return the addresses of the control-plane nodes, in order."""
        return [str(server.address) for server in self.control]
