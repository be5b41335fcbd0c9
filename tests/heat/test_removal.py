# SPDX-License-Identifier: Apache-2.0
"""Removal of workers by index, with the code of Heat: groups with gaps such as 0, 2, 3."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from heat.engine import stack
from heat.engine.resources.openstack.heat import resource_group

from heatgen.hot import resolve
from heatgen.hot.deployments import members_of
from heatgen.stack.update_preview import ADD, REMOVE, StackState, compare

from .test_resolve import complete, inputs_of, maps, node, output

MakeStack = Callable[[dict[str, Any]], stack.Stack]
RULES = Path(__file__).resolve().parents[2] / "heatgen" / "schemas" / "heat.json"
GAPS = ("0", "2", "3")


def changed(template: dict[str, Any], count: int, removed: str) -> dict[str, Any]:
    """Return a template with other defaults of the parameters."""
    data = copy.deepcopy(template)
    data["parameters"]["worker_count"]["default"] = count
    data["parameters"]["worker_removed"]["default"] = removed
    return data


def state(data: dict[str, Any]) -> StackState:
    """Return the state of a stack with a template and its defaults."""
    return StackState(data, resolve.parameters(data, {"OS::stack_name": "demo"}))


class Group:
    """The group of workers of a stack over several updates, as Heat's engine determines it.

    Only what Heat stores in its database is in memory: the names that it does not use again, and
    the existing members.
    """

    def __init__(self, make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self._make, self._patch = make_stack, monkeypatch
        self._stored: dict[str, str] = {}
        self.members: list[str] | None = None
        """Names of the members; None before the creation."""

    def update(self, data: dict[str, Any]) -> list[str]:
        """Update or create the group, and return its members."""
        of = self._make(data)
        group = of["workers"]
        members = self.members
        group.resource_id = None if members is None else "nested"

        def inspector(_: object) -> SimpleNamespace:
            return SimpleNamespace(member_names=lambda include_failed: iter(members or ()))

        self._patch.setattr(
            resource_group.grouputils.GroupInspector, "from_parent_resource", inspector
        )
        group.data = lambda: self._stored
        group.data_set = self._stored.__setitem__
        group.get_output = lambda _: {}
        group._update_name_skiplist(group.properties)
        self.members = list(group._resource_names())
        return self.members


@pytest.fixture
def group(make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch) -> Group:
    """Return a group that does not exist yet."""
    return Group(make_stack, monkeypatch)


def histories() -> Iterator[Sequence[tuple[int, str]]]:
    """Yield values of both parameters, as an administrator changes them one after the other."""
    # The middle one is removed; then the group grows and shrinks.
    yield (3, ""), (2, "1"), (3, "1"), (4, "1"), (2, "1"), (3, "1")
    # It grows in the same update.
    yield (3, ""), (3, "1"), (3, "0,1"), (5, "0,1"), (1, "0,1,2,3,4,5")
    # The last one, the first one, all, and again some.
    yield (2, ""), (1, "1"), (2, "1"), (1, "0,1"), (0, "0,1,2"), (2, "0,1,2")
    # Ten and more: Heat's names are texts, but their order is that of numbers.
    yield (12, ""), (10, "2,11"), (12, "2,11"), (11, "2,10,11")
    # A new stack with the parameters of another one.
    yield (3, "1,2"), (2, "1,2,3")


@pytest.mark.parametrize("history", list(histories()), ids=str)
def test_members(
    history: Sequence[tuple[int, str]], group: Group, goldens: dict[str, dict[str, Any]]
) -> None:
    """The generator names the same members as Heat, and predicts what is added and removed."""
    rules = json.loads(RULES.read_text("utf-8"))
    before: tuple[dict[str, Any], list[str]] | None = None
    for count, removed in history:
        data = changed(goldens["minimal"], count, removed)
        found = list(group.update(data))
        resources = resolve.resources(data, state(data).values)
        assert list(members_of("workers", resources)) == found
        if before is not None:
            changes = compare(state(before[0]), state(data), rules)
            servers = [item for item in changes if item.kind == "OS::Nova::Server"]
            predicted = {item.action: set(item.nodes) for item in servers}
            gone = {f"demo-worker-{index}" for index in before[1] if index not in found}
            new = {f"demo-worker-{index}" for index in found if index not in before[1]}
            assert predicted == {
                action: nodes for action, nodes in ((REMOVE, gone), (ADD, new)) if nodes
            }
        before = data, found


def test_index_that_is_no_member(group: Group, goldens: dict[str, dict[str, Any]]) -> None:
    """Heat ignores an index that is not a member yet, and the preview does the same."""
    old = changed(goldens["minimal"], 2, "")
    new = changed(goldens["minimal"], 4, "3")
    group.update(old)
    assert group.update(new) == ["0", "1", "2", "3"]
    [added] = [
        item
        for item in compare(state(old), state(new), json.loads(RULES.read_text("utf-8")))
        if item.kind == "OS::Nova::Server"
    ]
    assert added.nodes == ("demo-worker-2", "demo-worker-3")


def test_default(goldens: dict[str, dict[str, Any]], make_stack: MakeStack) -> None:
    """Without removed workers the list is empty."""
    group = make_stack(goldens["minimal"])["workers"]
    assert group.properties["removal_policies"] == [{"resource_list": []}]


def test_servers(goldens: dict[str, dict[str, Any]], make_stack: MakeStack) -> None:
    """Heat's nested template has servers of these indices, and attributes in their order."""
    of = make_stack(changed(goldens["minimal"], 3, "1"))
    nested = of["workers"]._assemble_nested(list(GAPS))
    definitions = nested.resource_definitions(None)
    assert {name: item._properties["name"] for name, item in definitions.items()} == {
        index: f"demo-worker-{index}" for index in GAPS
    }


def test_outputs(goldens: dict[str, dict[str, Any]], make_stack: MakeStack) -> None:
    """Outputs and inputs of steps have exactly the existing workers, with their own addresses."""
    of = complete(make_stack(changed(goldens["minimal"], 3, "1")), indices=GAPS)
    workers = {f"demo-worker-{index}": node(f"10.0.0.3{index}", "worker") for index in GAPS}
    nodes = output(of, "nodes")
    assert nodes == {"demo-control-0": node("10.0.0.10", "control"), **workers}
    assert output(of, "conformance")["nodes"] == nodes
    found = maps(inputs_of(of, "trust_sign_control_0"), "worker")
    assert len(found) >= 3
    assert all(tuple(item) == GAPS for item in found)
    assert found[0]["3"] != found[0]["2"]


def test_deployments(goldens: dict[str, dict[str, Any]], make_stack: MakeStack) -> None:
    """Deployments on workers have the names of their servers, also after a gap."""
    of = complete(make_stack(changed(goldens["minimal"], 3, "1")), indices=GAPS)
    steps = of["runtime_start_workers"]
    assert list(steps.properties["servers"]) == list(GAPS)
    assert tuple(steps._resource_names()) == GAPS
