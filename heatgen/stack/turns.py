# SPDX-License-Identifier: Apache-2.0
"""Nodes that an update changes in turn, and how long that may take.

Steps with the output ``turn`` (``by_turn`` in ``hot/lib/turns.sh``) wait on a node that is in use;
the step ``orchestration/ready`` gives each node its turn.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.hot import resolve
from heatgen.hot.deployments import DEPLOYMENTS, tasks
from heatgen.layers import CONTROL
from heatgen.stack.update_preview import RUN, Change, StackState

OUTPUT = "turn"
AT_ONCE = frozenset(
    {"TRUST_REVISION", "TRUST_GENERATIONS", "SIGNING", "GROUP_LABELS", "GROUP_TAINTS", "RESTORED"}
)
"""Inputs whose change does not wait for a turn, as in ``hot/lib/turns.sh``."""
TURN_SECONDS = 300 + 120 + 120
"""Limits of a turn without draining: its steps, the health of the node, and of the cluster."""


@dataclass(frozen=True)
class Pace:
    """How a group changes: nodes at the same time, and the limit of draining in seconds."""

    batch: int
    drain_seconds: int


@dataclass(frozen=True)
class Turns:
    """The nodes that change in turn, by group, and the longest time until all have changed."""

    nodes: Mapping[str, tuple[str, ...]]
    seconds: int

    @property
    def count(self) -> int:
        """Return the number of nodes."""
        return sum(map(len, self.nodes.values()))

    @property
    def minutes(self) -> int:
        """Return the longest time in minutes, rounded up."""
        return -(-self.seconds // 60)


def turns(
    changes: Iterable[Change], after: StackState, paces: Mapping[str, Pace], factor: int = 1
) -> Turns:
    """Return the nodes that an update changes in turn.

    Args:
        changes: the changes of the update.
        after: state of the stack after the update.
        paces: how each group changes.
        factor: multiplies all limits (``site.timeout_factor``).
    """
    resources = resolve.resources(after.template, after.values)
    known = tasks(resources)
    found: dict[str, dict[str, None]] = {}
    for change in changes:
        if change.action != RUN or change.kind not in DEPLOYMENTS or change.resource not in known:
            continue
        properties = resources[change.resource]["properties"]
        if change.why == ("new servers",) or not _waits(properties, change, after.template):
            continue
        group = str(properties["input_values"].get("HEATGEN_GROUP", CONTROL))
        found.setdefault(group, {}).update(dict.fromkeys(change.nodes))
    return Turns(
        {group: tuple(nodes) for group, nodes in found.items()},
        factor
        * sum(_seconds(len(nodes), paces.get(group, Pace(1, 0))) for group, nodes in found.items()),
    )


def _waits(properties: Mapping[str, Any], change: Change, template: Mapping[str, Any]) -> bool:
    """Return whether a deployment waits for the turn of its nodes."""
    configs = [name for _, name in resolve.references(properties.get("config"))]
    outputs = [
        output["name"]
        for name in configs
        for output in template["resources"][name]["properties"].get("outputs", [])
    ]
    return OUTPUT in outputs and not set(change.why) <= AT_ONCE


def _seconds(nodes: int, pace: Pace) -> int:
    """Return the longest time of a group: the first node alone, then batches."""
    batches = 1 + -(-(nodes - 1) // pace.batch) if nodes else 0
    return batches * (TURN_SECONDS + pace.drain_seconds)
