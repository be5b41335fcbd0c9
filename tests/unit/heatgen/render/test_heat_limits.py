# SPDX-License-Identifier: Apache-2.0
"""Tests of the check of Heat's limits."""

import random
from dataclasses import replace
from typing import Any

import pytest

from heatgen.render import heat_limits
from heatgen.render.template import render
from tests.unit.heatgen.support import tiny


def test_resources_of_workers() -> None:
    """Each worker counts as a server and one resource for each of its deployments."""
    plan = tiny.planned(tiny.CLUSTER + "workers: {count: 3}\n")
    template = render(plan).as_dict()
    groups = [name for name in template["resources"] if name.endswith("_workers")]
    assert heat_limits.resources(plan, heat_limits.types(template)) == len(
        template["resources"]
    ) + 3 * (1 + len(groups))


def test_resources_of_groups() -> None:
    """The workers of each group count with the group's own deployments."""
    plan = tiny.planned(tiny.GROUPS)
    template = render(plan).as_dict()
    names = template["resources"]
    one = sum(name.endswith("_workers") for name in names)
    other = sum(name.endswith("_workers_big_box") for name in names)
    assert heat_limits.resources(plan, heat_limits.types(template)) == len(names) + 1 * (
        1 + one
    ) + 4 * (1 + other)


def incompressible(size: int) -> str:
    """Return a text with this size after compression."""
    return random.Random(1).randbytes(size).hex() + "\n"


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("resources of the stack", {"count": 900}),
        ("bytes of the template", {"agents": {"python": incompressible(600_000)}}),
        ("bytes of user data", {"agents": {"python": incompressible(40_000)}}),
    ],
)
def test_exceeded_limits(what: str, changes: dict[str, Any]) -> None:
    """An exceeded limit is reported with advice."""
    plan = tiny.planned()
    count = changes.pop("count", 2)
    workers = replace(plan.spec.workers[0], count=count)
    plan = replace(plan, spec=replace(plan.spec, workers=(workers,)), **changes)
    found = heat_limits.usage(plan, render(plan).as_dict())
    assert any(item.exceeded and item.what == what and item.advice for item in found)


def test_small_cluster() -> None:
    """A small cluster exceeds no limit."""
    plan = tiny.planned()
    assert not any(item.exceeded for item in heat_limits.usage(plan, render(plan).as_dict()))
