# SPDX-License-Identifier: Apache-2.0
"""``heatgen diff`` predicts the same changes as the real Heat."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from heat.engine import resource, resources, stack

from heatgen.hot import resolve
from heatgen.stack.update_preview import REBUILD, REPLACE, RESIZE, RUN, UPDATE, StackState, compare

from .test_resolve import complete

MakeStack = Callable[[dict[str, Any]], stack.Stack]
RULES = Path(__file__).resolve().parents[2] / "heatgen" / "schemas" / "heat.json"
REGENERATE = "HEATGEN_REGENERATE=1 tox run -e heat -- tests/heat/test_updates.py"
VOLUMES = {"OS::Cinder::Volume", "OS::Cinder::VolumeAttachment"}


def rendered_types(goldens: dict[str, dict[str, Any]]) -> set[str]:
    """Return the resource types in all templates, including those of group members."""
    kinds = set()
    for data in goldens.values():
        for item in data["resources"].values():
            kinds.add(item["type"])
            kinds.add(item.get("properties", {}).get("resource_def", item)["type"])
    return kinds


def heat_rules(kinds: set[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the parts of Heat's schema of resource types that are relevant to updates."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for kind in sorted(kinds):
        schemas = resources.global_env().get_class(kind).properties_schema
        # Heat rejects changes of immutable properties, which the rules cannot express.
        assert not any(item.immutable for item in schemas.values()), kind
        found[kind] = {
            name: {
                "in_place": item.update_allowed,
                **({} if item.default is None else {"default": item.default}),
            }
            for name, item in sorted(schemas.items())
        }
    return found


def test_rules(goldens: dict[str, dict[str, Any]]) -> None:
    """The rules of all rendered types match Heat's code."""
    rules = heat_rules(rendered_types(goldens) | VOLUMES)
    if os.environ.get("HEATGEN_REGENERATE"):
        lines = [f"  {json.dumps(kind)}: {json.dumps(rule)}" for kind, rule in rules.items()]
        text = ",\n".join(lines)
        RULES.write_text(f"{{\n{text}\n}}\n", "utf-8")
    assert json.loads(RULES.read_text("utf-8")) == rules, f"After an update of Heat: {REGENERATE}"


def replaced_by_heat(make_stack: MakeStack, before: dict[str, Any], after: dict[str, Any],
                     name: str) -> bool:  # fmt: skip
    """Return whether Heat would replace a resource, as its engine determines it."""
    # Resources have only weak references to their stacks.
    old, new = make_stack(before), make_stack(after)
    try:
        old[name].update_template_diff_properties(new[name].properties, old[name].properties)
    except resource.UpdateReplace:
        return True
    return False


def set_property(name: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return a function that changes one property."""
    return lambda data: data["resources"][name]["properties"].update({key: value})


def all_of(*edits: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Return a function that applies several changes."""
    return lambda data: [edit(data) for edit in edits] and None


def set_default(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return a function that changes the default of a parameter."""
    return lambda data: data["parameters"][name].update(default=value)


EDITS: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    "name of a server": ("control_0", set_property("control_0", "name", "x"), UPDATE),
    "zone of a server": (
        "control_0", set_property("control_0", "availability_zone", "z"), REPLACE,
    ),
    "key of a server": ("control_0", set_property("control_0", "key_name", "k"), REPLACE),
    "flavor": ("control_0", set_default("control_flavor", "m1.huge"), RESIZE),
    "flavor by replacing": (
        "control_0",
        all_of(
            set_property("control_0", "flavor_update_policy", "REPLACE"),
            set_default("control_flavor", "m1.huge"),
        ),
        REPLACE,
    ),
    "image": ("control_0", set_default("image", "debian-99"), REBUILD),
    "image by replacing": (
        "control_0",
        all_of(
            set_property("control_0", "image_update_policy", "REPLACE"),
            set_default("image", "debian-99"),
        ),
        REPLACE,
    ),
    "user data": ("control_0", set_property("control_0", "user_data", "x"), UPDATE),
    "user data by replacing": (
        "control_0",
        all_of(
            set_property("control_0", "user_data_update_policy", "REPLACE"),
            set_property("control_0", "user_data", "x"),
        ),
        REPLACE,
    ),
    "address of a port": (
        "control_0_port", set_property("control_0_port", "fixed_ips", []), UPDATE,
    ),
    "network of a port": (
        "control_0_port", set_property("control_0_port", "network", "other"), REPLACE,
    ),
    "range of a subnet": (
        "subnet", set_property("subnet", "cidr", "10.9.0.0/16"), REPLACE,
    ),
    "DNS of a subnet": (
        "subnet", set_property("subnet", "dns_nameservers", ["192.0.2.1"]), UPDATE,
    ),
    "external network of the router": ("router", set_default("external_network", "x"), UPDATE),
    "explicit default": (
        "control_0", set_property("control_0", "flavor_update_policy", "RESIZE"), UPDATE,
    ),
    "inputs of a deployment": (
        "os_preflight_control_0",
        set_property("os_preflight_control_0", "input_values", {}),
        RUN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(EDITS))
def test_replacements(name: str, goldens: dict[str, dict[str, Any]], make_stack: MakeStack) -> None:
    """Heat replaces exactly the resources that ``compare`` predicts."""
    before = goldens["minimal"]
    after = copy.deepcopy(before)
    target, edit, action = EDITS[name]
    edit(after)
    assert replaced_by_heat(make_stack, before, after, target) == (action == REPLACE)
    old, new = (
        StackState(data, resolve.parameters(data, {"OS::stack_name": "demo"}))
        for data in (before, after)
    )
    changes = compare(old, new, json.loads(RULES.read_text("utf-8")))
    assert [change.action for change in changes if change.resource == target] == [action]


def test_resolved_values(golden: dict[str, Any], make_stack: MakeStack) -> None:
    """Parameters, shared texts and joined lists are resolved as in Heat."""
    of = complete(make_stack(golden))
    resolved = resolve.resources(golden, resolve.parameters(golden, {"OS::stack_name": "demo"}))
    compared = 0
    for name, item in resolved.items():
        for key, value in (item.get("properties") or {}).items():
            if isinstance(value, str) and item["type"] != "OS::Heat::Value":
                assert of[name].properties[key] == value, (name, key)
                compared += 1
    assert compared > 50
