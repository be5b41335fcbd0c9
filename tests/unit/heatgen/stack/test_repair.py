# SPDX-License-Identifier: Apache-2.0
"""Which nodes are unhealthy, and when nothing may be repaired."""

import pytest

from heatgen.stack.members import Member, NodeState
from heatgen.stack.repair import assess, majority_without, too_many


def member(group: str, index: int, status: str = "ACTIVE") -> Member:
    """Return a server."""
    name = f"demo-{group}-{index}"
    return Member(
        resource=str(index), stack="s/i", group=group, index=str(index), server=name, node=name,
        identity=name, status=status,
    )  # fmt: skip


def state(item: Member, unready: float = 0) -> NodeState:
    """Return the state of a node that has not been Ready for some seconds."""
    return NodeState(
        name=item.node, ready=not unready, unready_seconds=unready, cordoned=False,
        cordoned_by_heatgen=False, pods=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "unready", "action"),
    [
        ("ACTIVE", 0, "ready"),
        # Nova's status does not matter while the kubelet reports.
        ("ERROR", 0, "ready"),
        ("ACTIVE", 299, "wait"),
        ("ACTIVE", 300, "reboot"),
        ("SHUTOFF", 299, "wait"),
        ("SHUTOFF", 301, "start"),
        ("ERROR", 301, "replace"),
        ("DELETED", 301, "replace"),
        ("", 301, "replace"),
        ("HARD_REBOOT", 999, "wait"),
        ("MIGRATING", 999, "wait"),
        ("SUSPENDED", 99999, "held"),
        ("PAUSED", 99999, "held"),
        ("SHELVED_OFFLOADED", 99999, "held"),
    ],
)
def test_action(status: str, unready: float, action: str) -> None:
    """The action depends on the status of the server, and on the time without readiness."""
    server = member("worker", 0, status)
    [found] = assess([server], {server.node: state(server, unready)}, 300)
    assert found.action == action
    assert found.unhealthy == (action in ("start", "reboot", "replace"))
    assert str(found).startswith("node demo-worker-0: ")


@pytest.mark.parametrize(("status", "action"), [("ACTIVE", "reboot"), ("", "replace")])
def test_node_that_never_joined(status: str, action: str) -> None:
    """A server without a node is unhealthy."""
    [found] = assess([member("worker", 0, status)], {}, 300)
    assert (found.action, "has not joined" in found.reason) == (action, True)


@pytest.mark.parametrize(
    ("size", "bad", "refused"),
    [
        (5, 2, False), (5, 3, True), (10, 4, False), (10, 5, True),
        # One node may always be repaired.
        (2, 1, False), (1, 1, False), (2, 2, True), (3, 0, False),
    ],
)  # fmt: skip
def test_limit(size: int, bad: int, refused: bool) -> None:
    """Nothing is repaired above 40 %; nodes that are left alone or waited for count, too."""
    members = [member("worker", index, "SUSPENDED" if index else "ACTIVE") for index in range(size)]
    states = {item.node: state(item, 9 * (int(item.index) < bad)) for item in members}
    assert too_many(assess(members, states, 300), 40) == refused


@pytest.mark.parametrize(
    ("size", "dead", "expected"),
    [(3, (), (2, 2)), (3, (1,), (1, 2)), (5, (1,), (3, 3)), (5, (1, 2), (2, 3)), (1, (), (0, 1))],
)
def test_majority(size: int, dead: tuple[int, ...], expected: tuple[int, int]) -> None:
    """The other members that are Ready must be a majority of all members."""
    members = [member("control", index) for index in range(size)]
    states = {item.node: state(item, 9 * (int(item.index) in dead)) for item in members}
    workers = [member("worker", 0)]
    assert majority_without(members[0], [*members, *workers], states) == expected
