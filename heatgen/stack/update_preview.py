# SPDX-License-Identifier: Apache-2.0
"""What an update of a stack would do, by Heat's own rules.

Heat compares each resource's properties, references resolved, with those it had. A change of a
property that its type cannot update replaces the resource, and what refers to it changes in turn.
Which properties can be updated stands in ``schemas/heat.json``, which is Heat's own schema of the
resource types (``tests/heat`` compares the two); what Heat decides in code is repeated here:

* a server keeps its life with a new flavor (it is resized: stopped and started), but not its root
  disk with a new image (it is rebuilt), and new user data is for new servers only where
  ``user_data_update_policy`` is ``IGNORE``;
* a deployment runs again whenever anything in its definition changes, even what it depends on;
* members of a group are what its ``resource_def`` says, and are compared like other resources.
"""

from collections.abc import Iterator, Mapping
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
    members_of,
    nodes_of,
)

REPLACE, REBUILD, REMOVE = "REPLACE", "REBUILD", "REMOVE"
RESIZE, UPDATE, ADD = "resize", "update", "add"
RUN, MAY_RUN = "run again", "may run again"
ACTIONS = (REPLACE, REBUILD, REMOVE, RESIZE, UPDATE, ADD, RUN, MAY_RUN)
"""What may happen to a resource, the worst first."""

_STATELESS = (*DEPLOYMENTS, *TEXTS, "OS::Neutron::SecurityGroupRule")
"""Types whose resources can be made anew or go without the loss of anything."""

Rules = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Resource type to property to ``in_place`` (whether it can be updated) and ``default``."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one resource, or to some members of a group."""

    action: str
    kind: str
    """Type of the resource."""
    resource: str
    nodes: tuple[str, ...]
    """Names of the servers that it happens to or on; empty for other resources."""
    why: tuple[str, ...]
    """Properties that change, or resources whose change leads to this one."""

    @property
    def loses(self) -> bool:
        """Whether something that is more than text is lost."""
        return self.action in (REPLACE, REBUILD, REMOVE) and self.kind not in _STATELESS


@dataclass(frozen=True)
class StackState:
    """A template with the values of its parameters, see :func:`heatgen.hot.resolve.parameters`."""

    template: Mapping[str, Any]
    values: Mapping[str, Any]


def compare(before: StackState, after: StackState, rules: Rules) -> list[Change]:
    """All changes of an update, the worst first, else in the order of the template.

    Args:
        before: the stack as it is.
        after: the stack as it shall be.
        rules: ``schemas/heat.json``.
    """
    old = resolve.resources(before.template, before.values)
    new = resolve.resources(after.template, after.values)
    update = _Update(old, new, rules)
    # A change of a text shows in the deployments and servers that get it.
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


@dataclass(frozen=True)
class _Difference:
    """How one definition differs from another."""

    certain: tuple[str, ...]
    """Properties that change."""
    possible: tuple[str, ...]
    """Properties that change if an output of a deployment does that runs again."""
    definition: tuple[str, ...]
    """Other parts of the definition that change, such as what it depends on."""

    def __bool__(self) -> bool:
        return bool(self.certain or self.possible or self.definition)


class _Update:
    """The changes of each resource, those it refers to first."""

    def __init__(
        self,
        old: Mapping[str, dict[str, Any]],
        new: Mapping[str, dict[str, Any]],
        rules: Rules,
    ) -> None:
        self._old, self._new, self._rules = old, new, rules
        self._known: dict[str, tuple[Change, ...]] = {}

    def of(self, name: str) -> tuple[Change, ...]:
        """The changes of a resource; more than one for a group whose members differ."""
        if name not in self._known:
            # Heat takes no template with a circle; against endless recursion all the same.
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
        """The change of a resource that is no group."""
        kind = new["type"]
        if kind == DEPLOYMENT_GROUP and difference.certain == ("servers",):
            # Those that were there keep what they have.
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
            # Replaced or not, it runs again, and its server knows no difference.
            sure = (*difference.certain, *difference.definition)
            why = self._told(name, sure or difference.possible)
            yield Change(
                action=RUN if sure else MAY_RUN, kind=kind, resource=name, nodes=nodes, why=why
            )
        elif fixed:
            yield Change(action=REPLACE, kind=kind, resource=name, nodes=nodes, why=fixed)
        elif kind == SERVER:
            yield from _server(name, new, nodes, difference)
        else:
            why = (*difference.certain, *difference.possible, *difference.definition)
            yield Change(action=UPDATE, kind=kind, resource=name, nodes=nodes, why=why)

    def _group(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
        """The changes of a group: members that come, go, and change."""
        were, are = members_of(name, self._old), members_of(name, self._new)
        kept = tuple(node for node in are if node in were)
        member, before = new["properties"]["resource_def"], old["properties"]["resource_def"]
        difference = self._difference(before, member)
        if difference and kept:
            yield from self._one(name, member, kept, difference)
        gone = tuple(node for node in were if node not in are)
        if gone:
            yield Change(
                action=REMOVE, kind=member["type"], resource=name, nodes=gone, why=("count",)
            )
        come = tuple(node for node in are if node not in were)
        if come:
            yield Change(action=ADD, kind=member["type"], resource=name, nodes=come, why=("count",))

    def _difference(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> _Difference:
        kind = new["type"]
        before, after = old.get("properties") or {}, new.get("properties") or {}
        certain: list[str] = []
        possible: list[str] = []
        spelled: list[str] = []
        for key in dict.fromkeys((*after, *before)):
            default = self._rules.get(kind, {}).get(key, {}).get("default")
            if before.get(key, default) != after.get(key, default):
                certain.append(key)
            elif (key in before) != (key in after):
                spelled.append(key)
            else:
                worst = self._through(after.get(key))
                if worst:
                    (possible if worst == MAY_RUN else certain).append(key)
        parts = [
            part
            for part in ("depends_on", "metadata", "update_policy", "deletion_policy")
            if old.get(part) != new.get(part)
        ]
        return _Difference(tuple(certain), tuple(possible), (*spelled, *parts))

    def _through(self, value: Any) -> str:
        """Whether a value changes because something that it refers to does: how surely, or ''."""
        worst = ""
        for function, name in resolve.references(value):
            for change in self.of(name) if name in self._new else ():
                sure = self._passes_on(function, change)
                if sure == RUN:
                    return RUN
                worst = worst or sure
        return worst

    @staticmethod
    def _passes_on(function: str, change: Change) -> str:
        """What a change means for those that refer to the resource by a function."""
        if change.action in (REPLACE, ADD, REMOVE):
            return RUN
        if change.kind == CONFIG and change.why != ("depends_on",):
            # Whatever else was said of a configuration, Heat makes a new one.
            return RUN
        if function == "get_attr" and change.kind in DEPLOYMENTS:
            return MAY_RUN
        return ""

    def _in_place(self, kind: str, key: str) -> bool:
        """Whether a property can be updated; an unknown one had better not be counted on."""
        return bool(self._rules.get(kind, {}).get(key, {}).get("in_place"))

    def _new_servers(self, name: str) -> tuple[str, ...]:
        """Members of a group of deployments whose servers come or are made anew."""
        servers = self._new[name]["properties"]["servers"]
        return tuple(
            node
            for _, group in resolve.references(servers)
            for change in self.of(group)
            if change.action in (ADD, REPLACE)
            for node in change.nodes
        )

    def _told(self, name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
        """Why a deployment runs again: names of the inputs that change, not just 'input_values'."""
        if "input_values" not in keys:
            return tuple("script" if key == "config" else key for key in keys)
        before = (self._old[name].get("properties") or {}).get("input_values") or {}
        after = self._new[name]["properties"]["input_values"]
        inputs = [
            key
            for key in dict.fromkeys((*after, *before))
            if before.get(key) != after.get(key) or self._through(after.get(key))
        ]
        others = ["script" if key == "config" else key for key in keys if key != "input_values"]
        return (*others, *inputs)


def _server(
    name: str, new: Mapping[str, Any], nodes: tuple[str, ...], difference: _Difference
) -> Iterator[Change]:
    """The change of a server that is not replaced by a property that cannot be updated."""
    properties, keys = new["properties"], [*difference.certain]
    fatal = {
        "flavor": properties.get("flavor_update_policy") == "REPLACE",
        "image": properties.get("image_update_policy") == "REPLACE",
        "user_data": properties.get("user_data_update_policy", "REPLACE") == "REPLACE",
    }
    rebuilt = {
        "image": True,
        "user_data": properties.get("user_data_update_policy") == "REBUILD",
    }
    for action, table in ((REPLACE, fatal), (REBUILD, rebuilt), (RESIZE, {"flavor": True})):
        found = tuple(key for key in keys if table.get(key))
        if found:
            yield Change(action=action, kind=SERVER, resource=name, nodes=nodes, why=found)
            return
    why = tuple(
        "user_data (for new servers only)" if key == "user_data" else key
        for key in (*keys, *difference.possible, *difference.definition)
    )
    yield Change(action=UPDATE, kind=SERVER, resource=name, nodes=nodes, why=why)
