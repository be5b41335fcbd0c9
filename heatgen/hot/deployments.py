# SPDX-License-Identifier: Apache-2.0
"""Deployments found in a template, their servers and dependencies.

They are read from the stack's own template, because the stack may have been created from another
``cluster.yaml`` or by another version of heatgen.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.hot import resolve
from heatgen.layers import LAYERS, TRUST

SERVER = "OS::Nova::Server"
GROUP = "OS::Heat::ResourceGroup"
DEPLOYMENT = "OS::Heat::SoftwareDeployment"
DEPLOYMENT_GROUP = "OS::Heat::SoftwareDeploymentGroup"
DEPLOYMENTS = (DEPLOYMENT, DEPLOYMENT_GROUP)
CONFIG = "OS::Heat::SoftwareConfig"
TEXTS = (CONFIG, resolve.VALUE)
"""Resource types that contain only text."""

INFRASTRUCTURE = "cloud"
"""Not a layer: servers, networks and other resources of the cloud."""
DISPLAY_ORDER = (INFRASTRUCTURE, LAYERS[0], TRUST, *LAYERS[1:])
"""Order of the progress display; several of them are deployed at the same time."""

Resources = Mapping[str, Mapping[str, Any]]
"""Resources of a template, resolved (:func:`heatgen.hot.resolve.resources`)."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A deployment: a step of a layer, on a control-plane node or on a group of workers."""

    resource: str
    layer: str
    step: str
    nodes: tuple[str, ...]
    requires: tuple[str, ...]
    """Resources of other tasks."""

    @property
    def title(self) -> str:
        """Return ``LAYER/STEP``."""
        return f"{self.layer}/{self.step}"


def tasks(resources: Resources) -> dict[str, Task]:
    """Return the tasks by resource, in the order of the template."""
    found = {}
    for name, item in resources.items():
        if item["type"] in DEPLOYMENTS:
            title = (item["properties"].get("input_values") or {}).get("HEATGEN_STEP")
            if not isinstance(title, str):
                # Not created by heatgen.
                continue
            layer, _, step = title.partition("/")
            requires = tuple(
                other
                for other in item.get("depends_on") or ()
                if resources.get(other, {}).get("type") in DEPLOYMENTS
            )
            found[name] = Task(
                resource=name,
                layer=layer,
                step=step,
                nodes=nodes_of(name, item, resources),
                requires=requires,
            )
    return found


def servers(resources: Resources) -> tuple[str, ...]:
    """Return the names of all nodes, those of the control plane first."""
    return tuple(
        node
        for kind in (SERVER, GROUP)
        for name, item in resources.items()
        if item["type"] == kind
        for node in nodes_of(name, item, resources)
    )


def nodes_of(name: str, item: Mapping[str, Any], resources: Resources) -> tuple[str, ...]:
    """Return the names of the servers that a resource is, contains or runs on, if any."""
    return tuple(node for _, node in _nodes(name, item, resources))


def indexed_nodes(name: str, item: Mapping[str, Any], resources: Resources) -> dict[str, str]:
    """Return the servers of :func:`nodes_of` by the name of the member: '' if it is no group."""
    return dict(_nodes(name, item, resources))


def members_of(name: str, resources: Resources) -> dict[str, str]:
    """Return the names of the servers in a ResourceGroup, by name of the member: its index.

    Heat numbers the members from 0, and omits the indices in ``removal_policies`` permanently. So
    a group with three members of which number 1 was removed has the members 0, 2 and 3.
    """
    properties = resources[name]["properties"]
    pattern = properties["resource_def"].get("properties", {}).get("name")
    if not isinstance(pattern, str):
        pattern = f"{name}-%index%"
    removed = removed_of(properties)
    unused = (index for index in map(str, itertools.count()) if index not in removed)
    indices = itertools.islice(unused, int(properties.get("count", 1)))
    return {index: pattern.replace("%index%", index) for index in indices}


def removed_of(properties: Mapping[str, Any]) -> frozenset[str]:
    """Return the indices that a ResourceGroup omits, from its resolved properties."""
    policies = properties.get("removal_policies") or []
    lists = [policy.get("resource_list") for policy in policies if isinstance(policy, dict)]
    # A list that is not resolved is a function: a mapping.
    return frozenset(
        str(index).strip() for found in lists if isinstance(found, list) for index in found
    )


def member_of(stack: str, nested: str, resource: str) -> tuple[str, str]:
    """Return the name of a resource in the template, and of the member if it is a group.

    Args:
        stack: name of the cluster's stack.
        nested: name of the stack that has the resource: the same, or the nested one of a group.
        resource: name of the resource in that stack.
    """
    if nested == stack:
        return resource, ""
    # Heat names the nested stack of a group <stack>-<resource>-<random>.
    return nested.removeprefix(f"{stack}-").rpartition("-")[0], resource


def _nodes(name: str, item: Mapping[str, Any], resources: Resources) -> Iterator[tuple[str, str]]:
    kind, properties = item["type"], item.get("properties") or {}
    if kind == SERVER:
        yield "", properties["name"] if isinstance(properties.get("name"), str) else name
    elif kind == GROUP:
        yield from members_of(name, resources).items()
    elif kind in DEPLOYMENTS:
        target = properties.get("server" if kind == DEPLOYMENT else "servers")
        for _, server in resolve.references(target):
            if server in resources:
                yield from _nodes(server, resources[server], resources)
