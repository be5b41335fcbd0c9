# SPDX-License-Identifier: Apache-2.0
"""The progress of a stack that is created, updated or deleted, by layer, from Heat's events."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from heatgen.hot.deployments import (
    DEPLOYMENT_GROUP,
    DISPLAY_ORDER,
    GROUP,
    INFRASTRUCTURE,
    SERVER,
    TEXTS,
    Resources,
    nodes_of,
    tasks,
)

COMPLETE, FAILED, IN_PROGRESS = "COMPLETE", "FAILED", "IN_PROGRESS"
SHOWN = 3
"""How many of the things that go on are named on a line."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event of Heat."""

    identity: str
    stack: str
    """Name of the stack that it belongs to: of the cluster's, or of a group's in it."""
    resource: str
    physical: str
    """What the resource is in the cloud; of the stack itself its id."""
    action: str
    status: str
    reason: str


@dataclass(frozen=True)
class Item:
    """One thing that is done: a step on a node, or a resource of the infrastructure."""

    layer: str
    title: str
    """Step, or resource."""
    node: str
    """'' for what is no server and is not on one."""

    def __str__(self) -> str:
        on = f" on {self.node}" if self.node else ""
        return (
            f"{self.title}{on}"
            if self.layer == INFRASTRUCTURE
            else f"{self.layer}/{self.title}{on}"
        )


class Progress:
    """How far it is.

    Args:
        stack: name of the cluster's stack.
        resources: of its template, resolved.
    """

    def __init__(self, stack: str, resources: Resources) -> None:
        self._stack = stack
        self._items = dict(_items(resources))
        self.states = dict.fromkeys(self._items.values(), "")
        """Of everything that is to be done; '' for what has not begun."""

    def item(self, stack: str, resource: str) -> Item | None:
        """What a resource of a stack is; None for texts, groups as such, and the stack itself."""
        if stack == self._stack:
            return self._items.get((resource, ""))
        # Heat calls the stack of a group <stack>-<resource>-<random>.
        group = stack.removeprefix(f"{self._stack}-").rpartition("-")[0]
        return self._items.get((group, resource))

    def take(self, event: Event) -> Item | None:
        """Take note of an event; what it is about, if that is news."""
        item = self.item(event.stack, event.resource)
        if item is None or self.states[item] == event.status:
            return None
        self.states[item] = event.status
        return item

    def busy(self) -> list[Item]:
        """What has begun and not ended."""
        return [item for item, state in self.states.items() if state == IN_PROGRESS]

    def failed(self, layer: str) -> list[Item]:
        """What failed in a layer."""
        return [
            item for item, state in self.states.items() if item.layer == layer and state == FAILED
        ]

    def layers(self) -> Iterator[tuple[str, int, int, list[Item]]]:
        """Each layer with how many things are done, how many there are, and what goes on."""
        for layer in DISPLAY_ORDER:
            states = {item: state for item, state in self.states.items() if item.layer == layer}
            if states:
                done = sum(state == COMPLETE for state in states.values())
                busy = [item for item, state in states.items() if state == IN_PROGRESS]
                yield layer, done, len(states), busy


def shown(items: Collection[Item]) -> str:
    """The first few of several things."""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(str(item) for item in list(items)[:SHOWN]) + more


def _items(resources: Resources) -> Iterator[tuple[tuple[str, str], Item]]:
    """What each resource is, by its name and, in a group, that of the member."""
    known = tasks(resources)
    for name, item in resources.items():
        nodes = nodes_of(name, item, resources)
        if name in known:
            titles = [Item(known[name].layer, known[name].step, node) for node in nodes]
        elif item["type"] in (SERVER, GROUP):
            titles = [Item(INFRASTRUCTURE, "server", node) for node in nodes]
        else:
            titles = [Item(INFRASTRUCTURE, name, "")] if item["type"] not in TEXTS else []
        grouped = item["type"] in (GROUP, DEPLOYMENT_GROUP)
        for index, title in enumerate(titles):
            yield (name, str(index) if grouped else ""), title
