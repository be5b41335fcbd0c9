# SPDX-License-Identifier: Apache-2.0
"""Progress of a stack operation (creation, update, deletion) by layer, from Heat's events."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from heatgen.hot.deployments import (
    DISPLAY_ORDER,
    GROUP,
    INFRASTRUCTURE,
    SERVER,
    TEXTS,
    Resources,
    indexed_nodes,
    member_of,
    tasks,
)

COMPLETE, FAILED, IN_PROGRESS = "COMPLETE", "FAILED", "IN_PROGRESS"
SHOWN = 3
"""Maximum number of items in progress that are named on a line."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """A Heat event."""

    identity: str
    stack: str
    """Name of the stack: the cluster's, or the nested one of a group."""
    resource: str
    physical: str
    """Physical resource id; for events of the stack itself, its id."""
    action: str
    status: str
    reason: str


@dataclass(frozen=True)
class Item:
    """A unit of progress: a step on a node, or a resource of the infrastructure."""

    layer: str
    title: str
    """Name of the step or resource."""
    node: str
    """Name of the server; '' if the item does not belong to one."""

    def __str__(self) -> str:
        on = f" on {self.node}" if self.node else ""
        return (
            f"{self.title}{on}"
            if self.layer == INFRASTRUCTURE
            else f"{self.layer}/{self.title}{on}"
        )


class Progress:
    """State of all items of a stack.

    Args:
        stack: name of the cluster's stack.
        resources: resolved resources of its template.
    """

    def __init__(self, stack: str, resources: Resources) -> None:
        self._stack = stack
        self._items = dict(_items(resources))
        self.states = dict.fromkeys(self._items.values(), "")
        """Status of each item; '' before its first event."""

    def item(self, stack: str, resource: str) -> Item | None:
        """Return the item of a resource; None for texts, groups, and the stack itself."""
        return self._items.get(member_of(self._stack, stack, resource))

    def expect(self, resource: str, nodes: Collection[str]) -> None:
        """Mark the items of a resource on some nodes, or all of its items, as not yet begun."""
        for (name, _), item in self._items.items():
            if name == resource and (not nodes or item.node in nodes):
                self.states[item] = ""

    def record(self, event: Event) -> Item | None:
        """Record an event; return its item if the item's status has changed."""
        item = self.item(event.stack, event.resource)
        if item is None or self.states[item] == event.status:
            return None
        self.states[item] = event.status
        return item

    def busy(self) -> list[Item]:
        """Return the items in progress."""
        return [item for item, state in self.states.items() if state == IN_PROGRESS]

    def failed(self, layer: str) -> list[Item]:
        """Return the failed items of a layer."""
        return [
            item for item, state in self.states.items() if item.layer == layer and state == FAILED
        ]

    def layers(self) -> Iterator[tuple[str, int, int, list[Item]]]:
        """Yield each layer, its numbers of complete and of all items, and its items in progress."""
        for layer in DISPLAY_ORDER:
            states = {item: state for item, state in self.states.items() if item.layer == layer}
            if states:
                done = sum(state == COMPLETE for state in states.values())
                busy = [item for item, state in states.items() if state == IN_PROGRESS]
                yield layer, done, len(states), busy


def shown(items: Collection[Item]) -> str:
    """Return the names of the first items, and the number of the others."""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(str(item) for item in list(items)[:SHOWN]) + more


def _items(resources: Resources) -> Iterator[tuple[tuple[str, str], Item]]:
    """Yield the item of each resource by its name and, in a group, the name of the member."""
    known = tasks(resources)
    for name, item in resources.items():
        for index, node in indexed_nodes(name, item, resources).items():
            if name in known:
                yield (name, index), Item(known[name].layer, known[name].step, node)
            elif item["type"] in (SERVER, GROUP):
                yield (name, index), Item(INFRASTRUCTURE, "server", node)
        if name not in known and item["type"] not in (SERVER, GROUP, *TEXTS):
            yield (name, ""), Item(INFRASTRUCTURE, name, "")
