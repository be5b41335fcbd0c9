# SPDX-License-Identifier: Apache-2.0
"""Preview of a stack update, by Heat's own rules.

Heat compares the properties of each resource, with references resolved, with the previous ones. If
a property changes that cannot be updated in place, Heat replaces the resource, which changes the
resources that refer to it. ``schemas/heat.json`` lists which properties can be updated; it is
Heat's own schema of the resource types (``tests/heat`` compares the two). This module implements
the rules that Heat has in code:

* a new flavor resizes a server (stops and starts it), a new image rebuilds its root disk, and new
  user data applies to new servers only if ``user_data_update_policy`` is ``IGNORE``;
* a deployment runs again whenever its definition changes, including ``depends_on``;
* members of a group are defined by its ``resource_def``, and are compared like other resources.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from heatgen.hot import resolve
from heatgen.hot.deployments import (
    CONFIG,
    DEPLOYMENT_GROUP,
    DEPLOYMENTS,
    GROUP,
    SERVER,
    TEXTS,
    indexed_nodes,
    member_of,
    members_of,
    nodes_of,
    removed_of,
)

REPLACE, REBUILD, REMOVE = "REPLACE", "REBUILD", "REMOVE"
RESIZE, UPDATE, ADD = "resize", "update", "add"
RUN, MAY_RUN = "run again", "may run again"
ACTIONS = (REPLACE, REBUILD, REMOVE, RESIZE, UPDATE, ADD, RUN, MAY_RUN)
"""Possible actions on a resource, the most destructive first."""

CHECK_FAILED = "CHECK_FAILED"
"""Status of a resource that was marked as unhealthy, or whose check failed."""
_STATELESS = (*DEPLOYMENTS, *TEXTS, "OS::Neutron::SecurityGroupRule")
"""Types whose resources can be recreated or removed without loss of data."""

Rules = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Resource type to property to ``in_place`` (can be updated) and ``default``."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """The change of one resource, or of some members of a group."""

    action: str
    kind: str
    """Type of the resource."""
    resource: str
    nodes: tuple[str, ...]
    """Names of the affected servers; empty for other resources."""
    why: tuple[str, ...]
    """Changed properties, or changed resources that cause this change."""

    @property
    def loses(self) -> bool:
        """Whether data or an address is lost."""
        return self.action in (REPLACE, REBUILD, REMOVE) and self.kind not in _STATELESS


@dataclass(frozen=True, kw_only=True)
class FailedResource:
    """A resource that failed, or that was marked unhealthy."""

    stack: str
    """Name of the stack: the cluster's, or the nested one of a group."""
    name: str
    kind: str
    """Type of the resource."""
    status: str
    """Action and status, such as ``CHECK_FAILED``."""
    exists: bool
    """Whether it exists in the cloud."""


@dataclass(frozen=True)
class StackState:
    """A template and its parameter values, see :func:`heatgen.hot.resolve.parameters`."""

    template: Mapping[str, Any]
    values: Mapping[str, Any]


def compare(before: StackState, after: StackState, rules: Rules) -> list[Change]:
    """Return the changes of an update, most destructive first, else in the template's order.

    Args:
        before: current state of the stack.
        after: state after the update.
        rules: ``schemas/heat.json``.
    """
    old = resolve.resources(before.template, before.values)
    new = _with_removals(old, resolve.resources(after.template, after.values))
    update = _Update(old, new, rules)
    # Changes of texts are reported for the deployments and servers that use them.
    changes = [change for name in new for change in update.of(name) if change.kind not in TEXTS]
    changes += [
        Change(
            action=REMOVE,
            kind=item["type"],
            resource=name,
            nodes=nodes_of(name, item, old),
            why=("not in the template",),
        )
        for name, item in old.items()
        if name not in new and item["type"] not in TEXTS
    ]
    return sorted(changes, key=lambda change: ACTIONS.index(change.action))


def with_repairs(
    changes: Iterable[Change], failed: Iterable[FailedResource], before: StackState, stack: str
) -> list[Change]:
    """Add what Heat does in every update with resources that failed: it recreates them.

    Heat keeps some that it finds to be usable; this is not known before the update.

    Args:
        changes: changes of the update, see :func:`compare`.
        failed: the failed resources.
        before: current state of the stack.
        stack: name of the stack.
    """
    resources = resolve.resources(before.template, before.values)
    found = list(changes)
    known = {(change.resource, node) for change in found for node in change.nodes or ("",)}
    for item in failed:
        name, member = member_of(stack, item.stack, item.name)
        if item.kind == GROUP and item.status == CHECK_FAILED and name in resources:
            # Marked as unhealthy as a whole: Heat replaces all members.
            nodes = nodes_of(name, resources[name], resources)
            why = (item.status,)
            found.append(Change(action=REPLACE, kind=SERVER, resource=name, nodes=nodes, why=why))
            continue
        if name not in resources or item.kind in (GROUP, DEPLOYMENT_GROUP, *TEXTS):
            continue
        of = indexed_nodes(name, resources[name], resources)
        nodes = tuple(node for index, node in of.items() if index == member or not member)
        if member and not nodes:
            # It is not in the group any more: its deletion failed.
            continue
        if any((name, node) in known for node in nodes or ("",)):
            continue
        action = RUN if item.kind in DEPLOYMENTS else REPLACE if item.exists else ADD
        change = Change(
            action=action, kind=item.kind, resource=name, nodes=nodes, why=(item.status,)
        )
        found.append(change)
    return sorted(found, key=lambda change: ACTIONS.index(change.action))


def _with_removals(
    old: Mapping[str, dict[str, Any]], new: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the new resources with the indices that Heat omits in groups after the update.

    Heat omits an index if it was removed earlier, or if it is a member now. It ignores other ones.
    """
    found = dict(new)
    for name, item in new.items():
        before = old.get(name)
        if item["type"] == GROUP and before and before["type"] == GROUP:
            removed = removed_of(before["properties"])
            members = removed | members_of(name, old).keys()
            removed |= removed_of(item["properties"]) & members
            policies = [{"resource_list": sorted(removed)}]
            found[name] = item | {"properties": item["properties"] | {"removal_policies": policies}}
    return found


@dataclass(frozen=True)
class _Difference:
    """Difference between two definitions of a resource."""

    certain: tuple[str, ...]
    """Properties that change."""
    possible: tuple[str, ...]
    """Properties that change if a deployment runs again and its output changes."""
    definition: tuple[str, ...]
    """Other changed parts of the definition, such as ``depends_on``."""

    def __bool__(self) -> bool:
        return bool(self.certain or self.possible or self.definition)


class _Update:
    """Changes of all resources; those of referenced resources are computed first."""

    def __init__(
        self,
        old: Mapping[str, dict[str, Any]],
        new: Mapping[str, dict[str, Any]],
        rules: Rules,
    ) -> None:
        self._old, self._new, self._rules = old, new, rules
        self._known: dict[str, tuple[Change, ...]] = {}

    def of(self, name: str) -> tuple[Change, ...]:
        """Return the changes of a resource; more than one for a group whose members differ."""
        if name not in self._known:
            # Heat rejects circular templates; this prevents infinite recursion nevertheless.
            self._known[name] = ()
            self._known[name] = tuple(self._changes(name))
        return self._known[name]

    def _changes(self, name: str) -> Iterator[Change]:
        new, old = self._new[name], self._old.get(name)
        if old is None:
            yield Change(
                action=ADD,
                kind=new["type"],
                resource=name,
                nodes=nodes_of(name, new, self._new),
                why=(),
            )
        elif old["type"] != new["type"]:
            yield Change(
                action=REPLACE,
                kind=old["type"],
                resource=name,
                nodes=nodes_of(name, old, self._old),
                why=("type",),
            )
        elif new["type"] == GROUP:
            yield from self._group(name, old, new)
        else:
            difference = self._difference(old, new)
            if difference:
                nodes = nodes_of(name, new, self._new)
                yield from self._one(name, new, nodes, difference)

    def _one(
        self, name: str, new: Mapping[str, Any], nodes: tuple[str, ...], difference: _Difference
    ) -> Iterator[Change]:
        """Yield the changes of a resource that is not a group."""
        kind = new["type"]
        if kind == DEPLOYMENT_GROUP and difference.certain == ("servers",):
            # Deployments of existing servers do not change.
            nodes = self._new_servers(name)
            difference = replace(difference, certain=())
            if nodes:
                yield Change(
                    action=RUN, kind=kind, resource=name, nodes=nodes, why=("new servers",)
                )
            nodes = tuple(node for node in nodes_of(name, new, self._new) if node not in nodes)
            if not difference:
                return
        fixed = tuple(key for key in difference.certain if not self._in_place(kind, key))
        if kind in DEPLOYMENTS:
            # It runs again, whether Heat replaces or updates it.
            certain = (*difference.certain, *difference.definition)
            why = self._reasons(name, certain or difference.possible)
            yield Change(
                action=RUN if certain else MAY_RUN, kind=kind, resource=name, nodes=nodes, why=why
            )
        elif fixed:
            yield Change(action=REPLACE, kind=kind, resource=name, nodes=nodes, why=fixed)
        elif kind == SERVER:
            yield from _server(name, new, nodes, difference)
        else:
            why = (*difference.certain, *difference.possible, *difference.definition)
            yield Change(action=UPDATE, kind=kind, resource=name, nodes=nodes, why=why)

    def _group(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
        """Yield the changes of a group: changed, removed and added members."""
        before = tuple(members_of(name, self._old).values())
        after = tuple(members_of(name, self._new).values())
        kept = tuple(node for node in after if node in before)
        definition = new["properties"]["resource_def"]
        kind = definition["type"]
        difference = self._difference(old["properties"]["resource_def"], definition)
        if difference and kept:
            yield from self._one(name, definition, kept, difference)
        why = ("count",) if len(before) != len(after) else ("removal_policies",)
        removed = tuple(node for node in before if node not in after)
        if removed:
            yield Change(action=REMOVE, kind=kind, resource=name, nodes=removed, why=why)
        added = tuple(node for node in after if node not in before)
        if added:
            yield Change(action=ADD, kind=kind, resource=name, nodes=added, why=why)

    def _difference(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> _Difference:
        kind = new["type"]
        before, after = old.get("properties") or {}, new.get("properties") or {}
        certain: list[str] = []
        possible: list[str] = []
        explicit: list[str] = []
        for key in dict.fromkeys((*after, *before)):
            default = self._rules.get(kind, {}).get(key, {}).get("default")
            if before.get(key, default) != after.get(key, default):
                certain.append(key)
            elif (key in before) != (key in after):
                explicit.append(key)
            else:
                effect = self._effect_of_references(after.get(key))
                if effect:
                    (possible if effect == MAY_RUN else certain).append(key)
        parts = [
            part
            for part in ("depends_on", "metadata", "update_policy", "deletion_policy")
            if old.get(part) != new.get(part)
        ]
        return _Difference(tuple(certain), tuple(possible), (*explicit, *parts))

    def _effect_of_references(self, value: Any) -> str:
        """Return whether changes of referenced resources change a value: RUN, MAY_RUN or ''."""
        result = ""
        for function, name in resolve.references(value):
            for change in self.of(name) if name in self._new else ():
                effect = self._effect(function, change)
                if effect == RUN:
                    return RUN
                result = result or effect
        return result

    @staticmethod
    def _effect(function: str, change: Change) -> str:
        """Return the effect of a change on a reference to the resource by a function."""
        if change.action in (REPLACE, ADD, REMOVE):
            return RUN
        if change.kind == CONFIG and change.why != ("depends_on",):
            # Heat replaces a configuration on any other change.
            return RUN
        if function == "get_attr" and change.kind in DEPLOYMENTS:
            return MAY_RUN
        return ""

    def _in_place(self, kind: str, key: str) -> bool:
        """Return whether a property can be updated; an unknown one is assumed not to be."""
        return bool(self._rules.get(kind, {}).get(key, {}).get("in_place"))

    def _new_servers(self, name: str) -> tuple[str, ...]:
        """Return the nodes of a deployment group whose servers are added or replaced."""
        servers = self._new[name]["properties"]["servers"]
        return tuple(
            node
            for _, group in resolve.references(servers)
            for change in self.of(group)
            if change.action in (ADD, REPLACE)
            for node in change.nodes
        )

    def _reasons(self, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
        """Return why a deployment runs again, with names of inputs instead of ``input_values``."""
        if "input_values" not in keys:
            return tuple("script" if key == "config" else key for key in keys)
        before = (self._old[name].get("properties") or {}).get("input_values") or {}
        after = self._new[name]["properties"]["input_values"]
        inputs = [
            key
            for key in dict.fromkeys((*after, *before))
            if before.get(key) != after.get(key) or self._effect_of_references(after.get(key))
        ]
        others = ["script" if key == "config" else key for key in keys if key != "input_values"]
        return (*others, *inputs)


def _server(
    name: str, new: Mapping[str, Any], nodes: tuple[str, ...], difference: _Difference
) -> Iterator[Change]:
    """Yield the change of a server whose changed properties can all be updated."""
    properties, keys = new["properties"], [*difference.certain]
    replaced = {
        "flavor": properties.get("flavor_update_policy") == "REPLACE",
        "image": properties.get("image_update_policy") == "REPLACE",
        "user_data": properties.get("user_data_update_policy", "REPLACE") == "REPLACE",
    }
    rebuilt = {
        "image": True,
        "user_data": properties.get("user_data_update_policy") == "REBUILD",
    }
    for action, table in ((REPLACE, replaced), (REBUILD, rebuilt), (RESIZE, {"flavor": True})):
        found = tuple(key for key in keys if table.get(key))
        if found:
            yield Change(action=action, kind=SERVER, resource=name, nodes=nodes, why=found)
            return
    why = tuple(
        "user_data (for new servers only)" if key == "user_data" else key
        for key in (*keys, *difference.possible, *difference.definition)
    )
    yield Change(action=UPDATE, kind=SERVER, resource=name, nodes=nodes, why=why)
