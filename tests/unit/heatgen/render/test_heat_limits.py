# SPDX-License-Identifier: Apache-2.0
"""Limits are found before Heat finds them."""

from dataclasses import replace
from typing import Any

import pytest

from heatgen.render import heat_limits
from heatgen.render.template import render
from tests.unit.heatgen.support import tiny


def test_resources_are_counted() -> None:
    """Each worker is a server and one deployment for each group."""
    plan = tiny.planned(tiny.CLUSTER + "workers: {count: 3}\n")
    template = render(plan).as_dict()
    groups = [name for name in template["resources"] if name.endswith("_workers")]
    assert heat_limits.resources(plan, template) == len(template["resources"]) + 3 * (
        1 + len(groups)
    )


def test_resources_of_groups_are_summed() -> None:
    """Each group's workers count with the group's own deployments."""
    plan = tiny.planned(tiny.GROUPS)
    template = render(plan).as_dict()
    names = template["resources"]
    one = sum(name.endswith("_workers") for name in names)
    other = sum(name.endswith("_workers_big_box") for name in names)
    assert heat_limits.resources(plan, template) == len(names) + 1 * (1 + one) + 4 * (1 + other)


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("resources of the stack", {"count": 900}),
        ("bytes of the template", {"agent": "x" * 600_000 + "\n"}),
        ("bytes of user data", {"agent": "x" * 40_000 + "\n"}),
    ],
)
def test_excess_is_told(what: str, changes: dict[str, Any]) -> None:
    """Each limit that is exceeded is told, with a way out."""
    plan = tiny.planned()
    count = changes.pop("count", 2)
    workers = replace(plan.spec.workers[0], count=count)
    plan = replace(plan, spec=replace(plan.spec, workers=(workers,)), **changes)
    found = heat_limits.usage(plan, render(plan).as_dict())
    told = [item for item in found if item.exceeded]
    assert any(item.what.startswith(what) and item.advice for item in told)


def test_usual_cluster_fits() -> None:
    """Nothing is exceeded by a usual cluster."""
    plan = tiny.planned()
    assert not any(item.exceeded for item in heat_limits.usage(plan, render(plan).as_dict()))
