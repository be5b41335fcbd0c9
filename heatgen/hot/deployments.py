# SPDX-License-Identifier: Apache-2.0
"""The deployments of a template: tasks, each a step of a layer on servers, and their order.

What a stack runs may be of another cluster.yaml or another heatgen than what lies here, so it is
read from the template that the stack has.
"""

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
"""Types that are only text."""

INFRASTRUCTURE = "cloud"
"""Not a layer: the servers and all that they stand on."""
DISPLAY_ORDER = (INFRASTRUCTURE, LAYERS[0], TRUST, *LAYERS[1:])
"""In the order in which they are shown; work on several goes on side by side."""

Resources = Mapping[str, Mapping[str, Any]]
"""Of a template, resolved (:func:`heatgen.hot.resolve.resources`)."""


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
        """Layer and step."""
        return f"{self.layer}/{self.step}"


def tasks(resources: Resources) -> dict[str, Task]:
    """The tasks by resource, in the order of the template."""
    found = {}
    for name, item in resources.items():
        if item["type"] in DEPLOYMENTS:
            title = (item["properties"].get("input_values") or {}).get("HEATGEN_STEP")
            if not isinstance(title, str):
                # Of somebody else's.
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
    """Names of all nodes, the control plane's first."""
    return tuple(
        node
        for kind in (SERVER, GROUP)
        for name, item in resources.items()
        if item["type"] == kind
        for node in nodes_of(name, item, resources)
    )


def nodes_of(name: str, item: Mapping[str, Any], resources: Resources) -> tuple[str, ...]:
    """Names of the servers that a resource is, holds or runs on; of other resources none."""
    return tuple(_nodes(name, item, resources))


def members_of(name: str, resources: Resources) -> tuple[str, ...]:
    """Names of the servers of a group."""
    properties = resources[name]["properties"]
    pattern = properties["resource_def"].get("properties", {}).get("name")
    if not isinstance(pattern, str):
        pattern = f"{name}-%index%"
    count = int(properties.get("count", 1))
    return tuple(pattern.replace("%index%", str(index)) for index in range(count))


def _nodes(name: str, item: Mapping[str, Any], resources: Resources) -> Iterator[str]:
    kind, properties = item["type"], item.get("properties") or {}
    if kind == SERVER:
        yield properties["name"] if isinstance(properties.get("name"), str) else name
    elif kind == GROUP:
        yield from members_of(name, resources)
    elif kind in DEPLOYMENTS:
        place = properties.get("server" if kind == DEPLOYMENT else "servers")
        for _, server in resolve.references(place):
            if server in resources:
                yield from _nodes(server, resources[server], resources)
