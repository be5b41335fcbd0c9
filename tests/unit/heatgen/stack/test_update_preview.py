# SPDX-License-Identifier: Apache-2.0
"""Preview of updates: changes of resources, and of the resources that refer to them."""

import copy
from typing import Any

import pytest

from heatgen.hot import resolve
from heatgen.project import block_loader
from heatgen.stack import update_preview
from heatgen.stack.update_preview import StackState

RULES = block_loader.schema("heat")


def deployment(config: str, server: str, **inputs: Any) -> dict[str, Any]:
    """Return a deployment on one server."""
    return {
        "type": "OS::Heat::SoftwareDeployment",
        "properties": {
            "config": {"get_resource": config},
            "server": {"get_resource": server},
            "input_values": inputs,
        },
    }


TEMPLATE: dict[str, Any] = {
    "parameters": {
        "count": {"type": "number", "default": 2},
        "flavor": {"type": "string", "default": "small"},
    },
    "resources": {
        "port": {"type": "OS::Neutron::Port", "properties": {"network": "net"}},
        "agent": {"type": "OS::Heat::SoftwareConfig", "properties": {"config": "agent"}},
        "control_0": {
            "type": "OS::Nova::Server",
            "properties": {
                "name": {"list_join": ["-", [{"get_param": "OS::stack_name"}, "control", "0"]]},
                "flavor": {"get_param": "flavor"},
                "networks": [{"port": {"get_resource": "port"}}],
                "user_data": {"get_resource": "agent"},
                "user_data_update_policy": "IGNORE",
            },
        },
        "workers": {
            "type": "OS::Heat::ResourceGroup",
            "properties": {
                "count": {"get_param": "count"},
                "resource_def": {
                    "type": "OS::Nova::Server",
                    "properties": {
                        "name": {
                            "list_join": ["-", [{"get_param": "OS::stack_name"}, "%index%"]]
                        },
                        "flavor": {"get_param": "flavor"},
                    },
                },
            },
        },
        "texts": {
            "type": "OS::Heat::Value", "properties": {"value": {"unit": "ExecStart=etcd"}},
        },
        "start_config": {"type": "OS::Heat::SoftwareConfig", "properties": {"config": "start"}},
        "join_config": {"type": "OS::Heat::SoftwareConfig", "properties": {"config": "join"}},
        "start": deployment(
            "start_config", "control_0", UNIT={"get_attr": ["texts", "value", "unit"]}
        ),
        "sign": deployment(
            "join_config", "control_0", NAMES={"get_attr": ["workers", "attributes", "name"]}
        ),
        "join": {
            "type": "OS::Heat::SoftwareDeploymentGroup",
            "properties": {
                "config": {"get_resource": "join_config"},
                "servers": {"get_attr": ["workers", "refs_map"]},
                "input_values": {"TOKEN": {"get_attr": ["start", "token"]}},
            },
        },
    },
}  # fmt: skip


def edited(*path: str, to: Any) -> dict[str, Any]:
    """Return the template with another value at a path."""
    data = copy.deepcopy(TEMPLATE)
    *parents, last = path
    parent = data
    for key in parents:
        parent = parent[key]
    parent[last] = to
    return data


def changes(after: dict[str, Any], **parameters: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return action, resource and nodes of each change to another template."""
    return [(item.action, item.resource, item.nodes) for item in full(after, **parameters)]


def full(after: dict[str, Any], **parameters: Any) -> list[update_preview.Change]:
    """Return the changes to another template and other parameters."""
    stack = {"OS::stack_name": "demo"}
    return update_preview.compare(
        StackState(TEMPLATE, resolve.parameters(TEMPLATE, stack)),
        StackState(after, resolve.parameters(after, stack | parameters)),
        RULES,
    )


def test_no_changes() -> None:
    """The same template has no changes, although Heat returns numbers as strings."""
    assert full(copy.deepcopy(TEMPLATE), count="2", flavor="small") == []


def test_new_script() -> None:
    """A new script runs again; steps that use its output may; servers do not change."""
    after = edited("resources", "start_config", "properties", "config", to="better")
    assert changes(after) == [
        ("run again", "start", ("demo-control-0",)),
        ("may run again", "join", ("demo-0", "demo-1")),
    ]
    assert full(after)[0].why == ("script",)
    assert full(after)[1].why == ("TOKEN",)


def test_shared_text() -> None:
    """A text that several deployments share is compared where it is used."""
    after = edited("resources", "texts", "properties", "value", "unit", to="ExecStart=etcd -v")
    assert changes(after)[0] == ("run again", "start", ("demo-control-0",))
    assert full(after)[0].why == ("UNIT",)


def test_moved_text() -> None:
    """The same text at another place is not a change."""
    after = edited("resources", "start", "properties", "input_values", "UNIT", to="ExecStart=etcd")
    assert changes(after) == []


def test_new_dependency() -> None:
    """A deployment runs again if its ``depends_on`` changes."""
    after = edited("resources", "start", "depends_on", to=["sign"])
    assert changes(after)[0] == ("run again", "start", ("demo-control-0",))


def test_new_dependency_of_configuration() -> None:
    """A new ``depends_on`` of a configuration is not a change, and no step runs again."""
    after = copy.deepcopy(TEMPLATE)
    after["resources"]["start_config"]["depends_on"] = ["agent"]
    assert changes(after) == []


def test_more_workers() -> None:
    """The join step runs on the new worker only, and the sign step runs with the new name."""
    assert changes(copy.deepcopy(TEMPLATE), count=3) == [
        ("add", "workers", ("demo-2",)),
        ("run again", "sign", ("demo-control-0",)),
        ("run again", "join", ("demo-2",)),
    ]


def test_fewer_workers() -> None:
    """The last worker is removed, which is a loss."""
    found = full(copy.deepcopy(TEMPLATE), count=1)
    assert (found[0].action, found[0].nodes, found[0].loses) == ("REMOVE", ("demo-1",), True)
    assert [item.resource for item in found] == ["workers", "sign"]


def test_flavor_resizes() -> None:
    """Servers of both kinds are resized, not replaced."""
    assert changes(copy.deepcopy(TEMPLATE), flavor="large") == [
        ("resize", "control_0", ("demo-control-0",)),
        ("resize", "workers", ("demo-0", "demo-1")),
    ]


def test_replaced_workers() -> None:
    """Members that cannot be updated are replaced, and their steps run again."""
    after = edited(
        "resources", "workers", "properties", "resource_def", "properties", "key_name", to="k"
    )
    assert changes(after) == [
        ("REPLACE", "workers", ("demo-0", "demo-1")),
        ("run again", "sign", ("demo-control-0",)),
        ("run again", "join", ("demo-0", "demo-1")),
    ]


def test_replacement_of_referenced_resources() -> None:
    """A replaced port updates its server in place; steps of a replaced server run again."""
    after = edited("resources", "port", "properties", "network", to="other")
    assert changes(after) == [
        ("REPLACE", "port", ()), ("update", "control_0", ("demo-control-0",)),
    ]  # fmt: skip
    after = edited("resources", "control_0", "properties", "availability_zone", to="z")
    assert changes(after)[:2] == [
        ("REPLACE", "control_0", ("demo-control-0",)),
        ("run again", "start", ("demo-control-0",)),
    ]


def test_new_user_data() -> None:
    """New user data applies to new servers only, which the reason states."""
    [change] = full(edited("resources", "agent", "properties", "config", to="new agent"))
    assert (change.action, change.loses) == ("update", False)
    assert change.why == ("user_data (for new servers only)",)


@pytest.mark.parametrize(
    ("name", "loses"), [("control_0", True), ("start", False), ("port", True), ("texts", False)]
)
def test_removed_resources(name: str, loses: bool) -> None:
    """A resource that is not in the new template is removed; texts and steps are no loss."""
    after = copy.deepcopy(TEMPLATE)
    del after["resources"][name]
    found = [item for item in full(after) if item.resource == name]
    assert [item.loses for item in found] == ([loses] if name != "texts" else [])


def test_other_type() -> None:
    """A resource with another type is replaced."""
    after = edited("resources", "port", to={"type": "OS::Neutron::Net", "properties": {}})
    assert ("REPLACE", "port", ()) in changes(after)


def test_unknown_type() -> None:
    """Every change of a resource of an unknown type is a replacement."""
    before = edited("resources", "thing", to={"type": "OS::X::Y", "properties": {"a": 1}})
    after = edited("resources", "thing", to={"type": "OS::X::Y", "properties": {"a": 2}})
    values = resolve.parameters(before, {"OS::stack_name": "demo"})
    [change] = update_preview.compare(StackState(before, values), StackState(after, values), RULES)
    assert change.action == "REPLACE"


def test_parameters_from_heat() -> None:
    """Values that Heat returns as strings are converted, and equal the template's defaults."""
    defaults = {"number": 2, "json": {"a": 1}, "comma_delimited_list": ["x", "y"], "boolean": True}
    template = {
        "parameters": {kind: {"type": kind, "default": value} for kind, value in defaults.items()}
    }
    values = {"number": "2", "json": '{"a": 1}', "comma_delimited_list": "x,y", "boolean": "True"}
    assert resolve.parameters(template, values) == resolve.parameters(template, {}) == defaults


def with_removals(**parameters: Any) -> dict[str, Any]:
    """Return the template with a list of removed workers, and defaults of parameters."""
    data = edited("parameters", "removed", to={"type": "comma_delimited_list", "default": ""})
    properties = data["resources"]["workers"]["properties"]
    properties["removal_policies"] = [{"resource_list": {"get_param": "removed"}}]
    for name, value in parameters.items():
        data["parameters"][name]["default"] = value
    return data


def of_servers(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """Return action and nodes of the changes of workers."""
    old, new = (
        StackState(data, resolve.parameters(data, {"OS::stack_name": "demo"}))
        for data in (before, after)
    )
    found = update_preview.compare(old, new, RULES)
    return [(item.action, item.nodes) for item in found if item.resource == "workers"]


def test_removed_worker() -> None:
    """The named worker is removed, not the last one; the next new one gets a new name."""
    three = with_removals(count=3)
    two = with_removals(count=2, removed="1")
    again = with_removals(count=3, removed="1")
    assert of_servers(three, two) == [("REMOVE", ("demo-1",))]
    assert of_servers(two, again) == [("add", ("demo-3",))]
    assert of_servers(three, again) == [("REMOVE", ("demo-1",)), ("add", ("demo-3",))]
    # Heat remembers what was removed.
    assert of_servers(again, with_removals(count=3)) == []


def test_new_list_of_removed_workers() -> None:
    """The list in a newer template does not change existing servers."""
    assert of_servers(TEMPLATE, with_removals(count=2)) == []


def test_repair_after_a_gap() -> None:
    """Failed members of a group with gaps have the names of their own servers."""
    data = with_removals(count=3, removed="1")
    state = StackState(data, resolve.parameters(data, {"OS::stack_name": "demo"}))
    failed = [
        update_preview.FailedResource(
            stack="demo-workers-abc", name=name, kind="OS::Nova::Server", status="CHECK_FAILED",
            exists=True,
        )
        for name in ("3", "1")
    ]  # fmt: skip
    [change] = update_preview.with_repairs([], failed, state, "demo")
    assert (change.action, change.nodes) == ("REPLACE", ("demo-3",))


def test_group_that_is_marked_as_unhealthy() -> None:
    """A mark of a whole group replaces all its servers, which is a loss."""
    values = resolve.parameters(TEMPLATE, {"OS::stack_name": "demo"})
    marked = update_preview.FailedResource(
        stack="demo", name="workers", kind="OS::Heat::ResourceGroup", status="CHECK_FAILED",
        exists=True,
    )  # fmt: skip
    state = StackState(TEMPLATE, values)
    [change] = update_preview.with_repairs([], [marked], state, "demo")
    assert (change.action, change.nodes, change.loses) == ("REPLACE", ("demo-0", "demo-1"), True)
