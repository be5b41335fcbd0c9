# SPDX-License-Identifier: Apache-2.0
"""Servers of a stack: names of nodes, groups, the choice of servers to remove."""

import subprocess
from pathlib import Path

import pytest

from heatgen.stack.members import (
    Group,
    Member,
    NodeState,
    changed_parameters,
    groups,
    node_name,
    victims,
)

STEP_LIBRARY = Path(__file__).parents[4] / "hot" / "lib" / "step.sh"
# The functions only: the library itself requires an installed node.
_NAME = """
eval "$(sed -n '/^name_of() {/,/^}/p; /^name_of_server() {/,/^}/p' "$1")"
name_of_server "$2" "$3"
"""


@pytest.mark.parametrize(
    ("stack", "place"),
    [
        ("demo", "worker-0"),
        ("Demo_A.b", "big-box-12"),
        ("x" * 44, "worker-0"),
        ("x" * 43, "worker-0"),
        ("A" * 200, "a-long-group-100"),
        ("demo-worker-0", "worker-0"),
    ],
)
def test_names_of_nodes(stack: str, place: str) -> None:
    """Nodes have the names that the servers give themselves."""
    words = ["bash", "-c", _NAME, "bash", str(STEP_LIBRARY), f"{stack}-{place}", place]
    shell = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert node_name(f"{stack}-{place}", place) == shell
    assert len(shell) <= 52


def member(index: int) -> Member:
    """Return a worker."""
    name = f"demo-worker-{index}"
    return Member(
        resource=str(index), stack="nested/id", group="worker", index=str(index), server=name,
        node=name, identity=name, status="ACTIVE",
    )  # fmt: skip


def state(index: int, *, ready: bool = True, cordoned: bool = False, pods: int = 0) -> NodeState:
    """Return the state of a worker's node."""
    return NodeState(
        name=f"demo-worker-{index}", ready=ready, unready_seconds=0 if ready else 9,
        cordoned=cordoned, cordoned_by_heatgen=False, pods=pods,
    )  # fmt: skip


def chosen(states: list[NodeState], count: int, *named: int, size: int = 12) -> list[int]:
    """Return the indices of the chosen workers of a group."""
    members = [member(index) for index in range(size)]
    known = {item.name: item for item in states}
    found = victims(members, known, [members[index] for index in named], count)
    return [int(item.index) for item in found]


def test_order_of_victims() -> None:
    """Nodes that do not exist or are not Ready, cordoned ones, few pods, high indices."""
    states = [state(index, pods=5) for index in range(12)]
    states[3] = state(3, pods=2)
    states[4] = state(4, cordoned=True, pods=9)
    states[5] = state(5, ready=False, pods=9)
    del states[6]
    assert chosen(states, 7) == [6, 5, 4, 3, 11]
    # Number 10 comes after number 9.
    assert chosen(states, 6)[-1] == 10


def test_named_victims() -> None:
    """Named workers are removed in any case; others only if too many remain."""
    states = [state(index) for index in range(4)]
    assert chosen(states, 3, 1, size=4) == [1]
    assert chosen(states, 4, 1, size=4) == [1]
    assert chosen(states, 2, 0, size=4) == [0, 3]
    assert chosen(states, 0, 0, size=4) == [0, 3, 2, 1]
    assert chosen(states, 9, size=4) == []


def test_parameters() -> None:
    """The list of removed indices grows, in the order of numbers; without removal it stays."""
    group = Group(name="big-box", resource="x", count=5, removed=frozenset({"2", "10"}))
    assert changed_parameters(group, 7, []) == {"big_box_count": "7"}
    assert changed_parameters(group, 4, [member(9), member(11)]) == {
        "big_box_count": "4",
        "big_box_removed": "2,9,10,11",
    }


def test_groups() -> None:
    """Groups have the names of cluster.yaml, also if they differ from those of resources."""

    def group(name: str, **properties: object) -> dict[str, object]:
        server = {"type": "OS::Nova::Server", "properties": {"name": name}}
        return {
            "type": "OS::Heat::ResourceGroup",
            "properties": {"resource_def": server, **properties},
        }

    found = groups(
        "demo",
        {
            "control_0": {"type": "OS::Nova::Server", "properties": {}},
            "workers": group("demo-worker-%index%", count=2),
            "workers_big_box": group(
                "demo-big-box-%index%", removal_policies=[{"resource_list": ["1"]}]
            ),
        },
    )
    assert [(item.name, item.resource, item.count) for item in found] == [
        ("worker", "workers", 2), ("big-box", "workers_big_box", 1),
    ]  # fmt: skip
    assert [item.removed for item in found] == [frozenset(), frozenset({"1"})]
