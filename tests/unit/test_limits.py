# SPDX-License-Identifier: Apache-2.0
"""Limits are found before Heat finds them."""

from dataclasses import replace
from typing import Any

import pytest

from heatgen import limits, render

from . import tiny


def test_resources_are_counted() -> None:
    """Each worker is a server and one deployment for each group."""
    plan = tiny.planned(tiny.CLUSTER + "workers: {count: 3}\n")
    template = render.render(plan).as_dict()
    groups = [name for name in template["resources"] if name.endswith("_workers")]
    assert limits.resources(plan, template) == len(template["resources"]) + 3 * (1 + len(groups))


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
    workers = replace(plan.spec.workers, count=count)
    plan = replace(plan, spec=replace(plan.spec, workers=workers), **changes)
    found = limits.usage(plan, render.render(plan).as_dict())
    told = [item for item in found if item.exceeded]
    assert any(item.what.startswith(what) and item.advice for item in told)


def test_usual_cluster_fits() -> None:
    """Nothing is exceeded by a usual cluster."""
    plan = tiny.planned()
    assert not any(item.exceeded for item in limits.usage(plan, render.render(plan).as_dict()))
