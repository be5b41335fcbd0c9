# SPDX-License-Identifier: Apache-2.0
"""Limits of Heat and Nova, checked before anything is created.

The values are the defaults of Heat (``heat/common/config.py``, ``heat/common/wsgi.py``) and of
Nova's API schema (``user_data``: 65535 characters of base64). A cloud may have higher limits, but
hardly lower ones.
"""

import json
from dataclasses import dataclass
from typing import Any

from heatgen.plan.model import Plan
from heatgen.render.template import MAX_WORKERS
from heatgen.render.user_data import boothook

MAX_TEMPLATE = 524_288
"""Bytes of ``str(template)``: python-heatclient sends a mapping, and Heat measures its repr."""
MAX_REQUEST = 1_048_576
"""Bytes of a request's JSON."""
MAX_RESOURCES = 1000
"""Resources of a stack, including members of its groups."""
MAX_CONFIGS = 4096
"""Software configurations of a project: those of the template, and one for each deployment on each
server."""
MAX_USER_DATA = 49_149
"""Bytes of user data before base64."""
HEAT_USER_DATA = 12_000
"""Bytes that Heat adds to user data: its own cloud-init parts and the server's metadata. Measured
as 8 to 9 KB with openstack-heat 27 (tests/heat), plus a margin for long names and URLs."""


@dataclass(frozen=True)
class Usage:
    """Usage of a limit."""

    what: str
    used: int
    limit: int
    advice: str

    @property
    def exceeded(self) -> bool:
        """Return whether the cloud would reject the stack."""
        return self.used > self.limit


def usage(plan: Plan, template: dict[str, Any]) -> list[Usage]:
    """Return the usage of each limit by a plan and its template (as sent to Heat)."""
    user_data = boothook(plan.agent, plan.agent_unit).encode()
    # A part with non-ASCII characters is encoded in base64.
    size = len(user_data) if user_data.isascii() else len(user_data) * 4 // 3 + len(user_data) // 57
    return [
        Usage("bytes of the template", len(str(template)), MAX_TEMPLATE,
              "shorten overrides"),
        Usage("bytes of the create request", len(json.dumps(template)), MAX_REQUEST,
              "shorten overrides"),
        Usage("resources of the stack", resources(plan, template), MAX_RESOURCES,
              "use fewer workers, or raise max_resources_per_stack in heat.conf"),
        Usage("software configurations of the project", configs(plan, template), MAX_CONFIGS,
              "use fewer workers, or raise max_software_configs_per_tenant in heat.conf"),
        Usage("bytes of user data", size + HEAT_USER_DATA, MAX_USER_DATA,
              "this is a bug in heatgen: report it"),
    ]  # fmt: skip


def resources(plan: Plan, template: dict[str, Any]) -> int:
    """Return how many resources Heat counts: for each worker, its server and its deployments."""
    members = sum(group.count * (1 + deployments(plan, group.name)) for group in plan.spec.workers)
    return len(template["resources"]) + members


def configs(plan: Plan, template: dict[str, Any]) -> int:
    """Return the number of software configurations: Heat adds one for each deployment."""
    kinds = [item["type"] for item in template["resources"].values()]
    workers = sum(group.count * deployments(plan, group.name) for group in plan.spec.workers)
    control = sum(1 for item in plan.deployments if item.index is not None)
    return kinds.count("OS::Heat::SoftwareConfig") + control + workers


def deployments(plan: Plan, group: str) -> int:
    """Return the number of deployments on each server of a group of workers."""
    return sum(1 for item in plan.deployments if item.group == group)


@dataclass(frozen=True)
class Largest:
    """Maximum count of a group of workers if the others do not change, and the limiting factor."""

    group: str
    count: int
    stopped_by: str


def largest(plan: Plan, template: dict[str, Any]) -> list[Largest]:
    """Return the maximum count of each group of workers under the limits of Heat and networks."""
    found = []
    for group in plan.spec.workers:
        steps = deployments(plan, group.name)
        free = {
            "resources of the stack": (MAX_RESOURCES - resources(plan, template)) // (1 + steps),
            "software configurations": (MAX_CONFIGS - configs(plan, template)) // max(1, steps),
            "addresses": plan.max_workers - plan.spec.worker_count,
            "heatgen": MAX_WORKERS - group.count,
        }
        reason = min(free, key=free.__getitem__)
        found.append(Largest(group.name, max(0, group.count + free[reason]), reason))
    return found
