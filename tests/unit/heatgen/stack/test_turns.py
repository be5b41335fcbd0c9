# SPDX-License-Identifier: Apache-2.0
"""Tests of the nodes that an update changes in turn, and of the time that this may take."""

import re
from pathlib import Path
from typing import Any

import pytest

from heatgen.stack import turns
from heatgen.stack.turns import TURN_SECONDS, Pace
from heatgen.stack.update_preview import RUN, Change, StackState

LIBRARY = Path(__file__).parents[4] / "hot" / "lib" / "turns.sh"
GROUP = "OS::Heat::SoftwareDeploymentGroup"


def template() -> dict[str, Any]:
    """Return a template with a group of five workers and two steps, one of which waits."""
    resources: dict[str, Any] = {
        "workers": {
            "type": "OS::Heat::ResourceGroup",
            "properties": {
                "count": 5,
                "resource_def": {
                    "type": "OS::Nova::Server",
                    "properties": {"name": "demo-worker-%index%"},
                },
            },
        }
    }
    for step, outputs in (("node", [{"name": "turn"}]), ("preflight", [])):
        resources[f"config_{step}"] = {
            "type": "OS::Heat::SoftwareConfig",
            "properties": {"outputs": outputs},
        }
        resources[step] = {
            "type": GROUP,
            "properties": {
                "servers": {"get_attr": ["workers", "refs_map"]},
                "config": {"get_resource": f"config_{step}"},
                "input_values": {
                    "HEATGEN_STEP": f"orchestration/{step}", "HEATGEN_GROUP": "worker",
                },
            },
        }  # fmt: skip
    return {"resources": resources}


def change(resource: str = "node", count: int = 5, why: tuple[str, ...] = ("script",)) -> Change:
    """Return a step that runs again."""
    nodes = tuple(f"demo-worker-{number}" for number in range(count))
    return Change(action=RUN, kind=GROUP, resource=resource, nodes=nodes, why=why)


def found(*changes: Change, batch: int = 1, drain: int = 300) -> turns.Turns:
    """Return the turns of an update."""
    paces = {"worker": Pace(batch, drain)}
    return turns.turns(changes, StackState(template(), {}), paces)


@pytest.mark.parametrize(
    ("count", "batch", "turns_in_sequence"),
    [(1, 1, 1), (1, 10, 1), (5, 1, 5), (5, 2, 3), (4, 2, 3), (5, 4, 2), (5, 100, 2)],
)
def test_longest_time(count: int, batch: int, turns_in_sequence: int) -> None:
    """The first node changes alone, then as many at a time as the batch has."""
    result = found(change(count=count), batch=batch, drain=60)
    assert result.count == count
    assert result.seconds == turns_in_sequence * (TURN_SECONDS + 60)


@pytest.mark.parametrize(
    "other",
    [
        change("preflight"),
        change(why=("new servers",)),
        change(why=("TRUST_REVISION", "SIGNING")),
    ],
    ids=["other-step", "new-servers", "certificates"],
)
def test_changes_without_turns(other: Change) -> None:
    """Steps that do not wait, new servers and certificates take no turn."""
    assert found(other) == turns.Turns({}, 0)


def test_several_steps_of_a_node() -> None:
    """A node has one turn for all of its steps."""
    result = found(change(count=2), change(count=3, why=("TRUST_REVISION", "KUBELET_CONFIG")))
    assert result.nodes == {"worker": ("demo-worker-0", "demo-worker-1", "demo-worker-2")}
    assert result.minutes == -(-3 * (TURN_SECONDS + 300) // 60)


def test_inputs_that_do_not_wait() -> None:
    """The generator and the step library know the same inputs."""
    (line,) = re.findall(r"^ +(TRUST_REVISION \|.*)\) ;;$", LIBRARY.read_text(), re.MULTILINE)
    assert set(line.split(" | ")) == turns.AT_ONCE
