# SPDX-License-Identifier: Apache-2.0
"""The data model of a plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address
from typing import Any

from heatgen.blocks.boot import Boot
from heatgen.plan import security_groups
from heatgen.plan.inputs import ApiExternal, Value
from heatgen.spec.model import Spec


@dataclass(frozen=True)
class ControlServer:
    """A control-plane node and its fixed address, or the mark of an assigned one."""

    index: int
    address: str


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A data volume of a control-plane node."""

    layer: str
    name: str
    index: int
    size: int
    """GiB."""
    type: str
    """'' for the cloud's default."""
    zone: str
    """'' if Cinder chooses."""


@dataclass(frozen=True)
class StepConfig:
    """A step's script with its declared inputs and outputs."""

    name: str
    script: tuple[str, ...]
    """The text; if the step installs the library, the parts before and after the library."""
    inputs: Mapping[str, str]
    """Names to Heat's types: String or Json."""
    outputs: Mapping[str, str]
    """Names to descriptions."""


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
    """Names of deployments that must complete first."""
    inputs: Mapping[str, Value]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that is decided about a cluster."""

    spec: Spec
    control: tuple[ControlServer, ...]
    api_host: str
    """Address of the API for the cluster's own components."""
    api_external: ApiExternal | str
    """Address of the API for users."""
    max_workers: int
    """How many workers fit into the networks of nodes and pods."""
    pool: tuple[IPv4Address, IPv4Address] | None
    """First and last address of the allocation pool for workers; None in an existing subnet."""
    volumes: tuple[Volume, ...]
    rules: tuple[security_groups.Rule, ...]
    pair_networks: tuple[str, ...]
    """Networks with whose addresses servers send: address pairs of all their ports."""
    configs: tuple[StepConfig, ...]
    deployments: tuple[Deployment, ...]
    """Each after those that it requires."""
    library: str
    """The step library; the first steps of a node install it."""
    boots: Mapping[str, Boot]
    """How the agent gets onto servers, by group."""
    agents: Mapping[str, str]
    """Programs by the interpreter that runs them."""
    agent_unit: str
    admin_request: str
    """The administrator's certificate request (PEM)."""
    backup_certificate: str
    """Certificate (PEM) of the key that opens backups; '' for none."""
    dns: str
    """Address of the cluster's DNS."""
    artifacts: Mapping[str, str]
    """URLs (of the mirror, if one is set) of artifacts to SHA-256."""
    images: tuple[str, ...]
    """References with digests."""
    facts: Mapping[str, Mapping[str, Any]]
    """Values for the conformance suite, by block."""

    @cached_property
    def by_step(self) -> Mapping[tuple[str, str], tuple[Deployment, ...]]:
        """Return the deployments of each step, by layer and name of the step."""
        found: dict[tuple[str, str], list[Deployment]] = {}
        for item in self.deployments:
            found.setdefault((item.layer, item.step), []).append(item)
        return {step: tuple(items) for step, items in found.items()}

    @property
    def control_addresses(self) -> list[str]:
        """Return the addresses of the control-plane nodes, in order."""
        return [server.address for server in self.control]
