# SPDX-License-Identifier: Apache-2.0
"""The real Heat accepts the golden templates, and rejects invalid ones."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from heat.common import exception
from heat.engine import stack
from heat.engine.hot import template as hot_template

from heatgen.spec import template_safety

from .conftest import NAMES

MakeStack = Callable[[dict[str, Any]], stack.Stack]

# Default limits in heat/common/config.py.
MAX_TEMPLATE = 524288
MAX_RESOURCES = 1000
SERVER = "OS::Nova::Server"


def test_heat_validates(golden: dict[str, Any], make_stack: MakeStack) -> None:
    """Heat's validation accepts all properties of all resources."""
    of = make_stack(golden)
    of.validate()
    assert "control_0" in of


def test_template_fits(golden: dict[str, Any]) -> None:
    """The template is within Heat's limits, with some room for the user's overrides."""
    assert len(str(golden)) < MAX_TEMPLATE * 0.95
    assert len(json.dumps(golden)) < MAX_TEMPLATE
    assert len(golden["resources"]) < MAX_RESOURCES / 5


FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "unknown property": lambda data: data["resources"]["network"].update(properties={"naem": "x"}),
    "unknown resource": lambda data: data["resources"]["control_0"].update(depends_on=["unknown"]),
    "unknown type": lambda data: data["resources"]["network"].update(type="OS::Neutron::Nothing"),
    "wrong value": lambda data: data["resources"]["control_0"]["properties"].update(
        user_data_format="NONSENSE"
    ),
    "no user data format": lambda data: data["resources"]["control_0"]["properties"].update(
        user_data_format="RAW"
    ),
    "dependency cycle": lambda data: data["resources"]["network"].update(depends_on=["control_0"]),
    "a number in a name": lambda data: data["resources"]["control_0"]["properties"].update(
        name={"list_join": ["-", ["control", 0]]}
    ),
    "unknown property of workers": lambda data: data["resources"]["workers"]["properties"][
        "resource_def"
    ]["properties"].update(flavour="big"),
}


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("name", sorted(FAULTS))
def test_heat_rejects_faults(
    name: str, case: str, goldens: dict[str, dict[str, Any]], make_stack: MakeStack
) -> None:
    """Heat's validation finds each of these faults."""
    template = copy.deepcopy(goldens[case])
    FAULTS[name](template)
    with pytest.raises((exception.HeatException, ValueError, TypeError)):
        make_stack(template).validate()


def test_functions_are_known() -> None:
    """Metadata that consists of any function of Heat is refused, in every version of HOT."""
    found: set[str] = set()
    for kind in vars(hot_template).values():
        found |= set(getattr(kind, "functions", {})) | set(getattr(kind, "condition_functions", {}))
    assert len(found) > 20
    assert {name for name in found if not template_safety.is_function(name)} == set()
