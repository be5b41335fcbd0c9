# SPDX-License-Identifier: Apache-2.0
"""Servers of a stack with their nodes, and the decisions which of them to remove."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from heatgen.hot import names
from heatgen.hot.deployments import GROUP, SERVER, Resources, removed_of
from heatgen.layers import CONTROL

_MAX_NODE = 52
"""Characters of the name of a node; see ``name_of`` in ``hot/lib/step.sh``."""
_KEPT, _HASHED = 23, 6


@dataclass(frozen=True, kw_only=True)
class Member:
    """A server of the stack: a control-plane node, or a member of a group of workers."""

    resource: str
    """Name in its stack: that of a control-plane server, or the index in a group."""
    stack: str
    """Path of the stack that has the resource in Heat's API: the cluster's or a group's."""
    group: str
    index: str
    server: str
    """Name of the server in Nova."""
    node: str
    """Name of the node in Kubernetes."""
    identity: str
    """Id of the server; '' if Heat has not created it."""
    status: str
    """Status of the server in Nova; '' if it does not exist."""

    @property
    def resource_group(self) -> str:
        """Name of the resource of the group; '' on the control plane."""
        return "" if self.is_control else names.workers(self.group)

    @property
    def is_control(self) -> bool:
        """Whether it is a control-plane node."""
        return self.group == CONTROL


@dataclass(frozen=True, kw_only=True)
class NodeState:
    """State of a node in Kubernetes."""

    name: str
    ready: bool
    unready_seconds: float
    """Time since the kubelet last was ready; 0 if it is ready."""
    cordoned: bool
    cordoned_by_heatgen: bool
    pods: int
    """Number of pods that would have to leave the node."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """A group of workers in a template."""

    name: str
    resource: str
    count: int
    """Number of members that the stack's parameters set."""
    removed: frozenset[str]
    """Indices that Heat does not use again."""

    def parameter(self, what: str) -> str:
        """Return the name of a parameter of the group."""
        return names.group_parameter(self.name, what)


def node_name(server: str, place: str) -> str:
    """Return the name of the node on a server, like ``name_of_server`` in ``hot/lib/step.sh``.

    Args:
        server: name of the server, ``STACK-GROUP-INDEX``.
        place: ``GROUP-INDEX``.
    """
    stack = server.removesuffix(f"-{place}")
    name = stack.lower().replace("_", "-").replace(".", "-")
    if len(name) + 1 + len(place) > _MAX_NODE:
        digest = hashlib.sha256(stack.encode()).hexdigest()
        name = f"{name[:_KEPT]}-{digest[:_HASHED]}"
    return f"{name}-{place}"


def groups(stack: str, resources: Resources) -> list[Group]:
    """Return the groups of workers of a stack.

    Args:
        stack: name of the stack.
        resources: resolved resources of its template.
    """
    found = []
    for name, item in resources.items():
        properties = item.get("properties") or {}
        if item["type"] == GROUP and properties["resource_def"].get("type") == SERVER:
            # Names of members are STACK-GROUP-INDEX.
            pattern = str(properties["resource_def"].get("properties", {}).get("name"))
            group = pattern.removeprefix(f"{stack}-").removesuffix("-%index%")
            found.append(
                Group(
                    name=group,
                    resource=name,
                    count=int(properties.get("count", 1)),
                    removed=removed_of(properties),
                )
            )
    return found


def victims(
    members: Sequence[Member],
    states: Mapping[str, NodeState],
    named: Collection[Member],
    count: int,
) -> list[Member]:
    """Return the members to remove so that at most ``count`` remain: the named ones, then others.

    The order of the others: nodes that are not ready, cordoned ones, those with the fewest pods;
    the highest index first among equal ones.

    Args:
        members: the members of a group.
        states: states of the nodes by name.
        named: members that are removed in any case.
        count: number of members that may remain.
    """

    def preference(member: Member) -> tuple[bool, bool, int, int]:
        state = states.get(member.node)
        if state is None:
            return (False, False, 0, -int(member.index))
        return (state.ready, not state.cordoned, state.pods, -int(member.index))

    others = sorted((item for item in members if item not in named), key=preference)
    surplus = max(0, len(others) - count)
    return [*named, *others[:surplus]]


def changed_parameters(group: Group, count: int, removed: Iterable[Member]) -> dict[str, str]:
    """Return the parameters of an update that removes members, or adds new ones.

    The list of removed members only grows, as in Heat: no index is used again.
    """
    indices = group.removed | {member.index for member in removed}
    changes = {group.parameter("count"): str(count)}
    if indices != group.removed:
        listed = sorted(indices, key=lambda index: (len(index), index))
        changes[group.parameter("removed")] = ",".join(listed)
    return changes
