# SPDX-License-Identifier: Apache-2.0
"""Decisions of ``heatgen repair``: which nodes are unhealthy, and what may help."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from heatgen.stack.members import Member, NodeState

READY, WAIT, HELD = "ready", "wait", "held"
START, REBOOT, REPLACE = "start", "reboot", "replace"
_HELD = ("SUSPENDED", "PAUSED", "SHELVED", "SHELVED_OFFLOADED", "RESCUE", "SOFT_DELETED")
"""Statuses of Nova that only an administrator sets."""
_BY_STATUS = {"ACTIVE": REBOOT, "SHUTOFF": START, "ERROR": REPLACE, "DELETED": REPLACE, "": REPLACE}
_REASONS = {
    "ACTIVE": "the kubelet does not report",
    "SHUTOFF": "the server is stopped",
    "ERROR": "the server has failed",
    "DELETED": "the server was deleted",
    "": "the server does not exist",
}


@dataclass(frozen=True)
class Finding:
    """State of a node, and what to do."""

    member: Member
    action: str
    """:data:`READY`, :data:`WAIT`, :data:`HELD`, or how to repair it."""
    reason: str

    @property
    def unhealthy(self) -> bool:
        """Whether it has to be repaired."""
        return self.action in (START, REBOOT, REPLACE)

    def __str__(self) -> str:
        """Return node and reason."""
        return f"node {self.member.node}: {self.reason}"


def assess(
    members: Iterable[Member], states: Mapping[str, NodeState], after: float
) -> list[Finding]:
    """Return the findings for all nodes, those of the control plane first.

    Args:
        members: the servers of the stack.
        states: states of the nodes by name.
        after: seconds without readiness after which a node is unhealthy.
    """
    return [_assess(member, states.get(member.node), after) for member in members]


def _assess(member: Member, state: NodeState | None, after: float) -> Finding:
    if state is not None and state.ready:
        return Finding(member, READY, "Ready")
    if member.status in _HELD:
        return Finding(member, HELD, f"not Ready; an administrator has set it {member.status}")
    since = "has not joined the cluster" if state is None else (
        f"not Ready for {state.unready_seconds:.0f} s"
    )  # fmt: skip
    if state is not None and state.unready_seconds < after:
        return Finding(member, WAIT, f"{since}, which is less than {after:.0f} s")
    if member.status not in _BY_STATUS:
        return Finding(member, WAIT, f"{since}; Nova changes its server: {member.status}")
    reason = f"{since}; {_REASONS[member.status]}"
    return Finding(member, _BY_STATUS[member.status], reason)


def too_many(findings: Sequence[Finding], percent: int) -> bool:
    """Return whether more nodes are not Ready than failures of single nodes explain.

    One node may always be repaired, also in a small cluster.
    """
    bad = sum(item.action != READY for item in findings)
    return bad > 1 and bad * 100 > percent * len(findings)


def majority_without(
    member: Member, members: Iterable[Member], states: Mapping[str, NodeState]
) -> tuple[int, int]:
    """Return how many other control-plane nodes are Ready, and how many etcd needs.

    Args:
        member: a control-plane node.
        members: the servers of the stack.
        states: states of the nodes by name.
    """
    control = [item for item in members if item.is_control]
    others = [item for item in control if item != member]
    ready = [item for item in others if item.node in states and states[item.node].ready]
    return len(ready), len(control) // 2 + 1
