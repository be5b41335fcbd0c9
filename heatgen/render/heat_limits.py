# SPDX-License-Identifier: Apache-2.0
"""Heat's and Nova's limits, checked before anything is created.

Numbers are the defaults of Heat (``heat/common/config.py``, ``heat/common/wsgi.py``) and Nova's API
schema (``user_data``: 65535 characters of base64). A cloud may allow more, hardly less.
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
"""Resources of a stack, those of its groups counted."""
MAX_CONFIGS = 4096
"""Software configurations of a project: those of the template, and one for each deployment on each
server."""
MAX_USER_DATA = 49_149
"""Bytes of user data before base64."""
HEAT_USER_DATA = 12_000
"""Bytes that Heat adds to user data: its own cloud-init parts and the server's metadata. Measured
as 8 to 9 KB with openstack-heat 27 (tests/heat), with room for long names and URLs."""


@dataclass(frozen=True)
class Usage:
    """How much of a limit is used."""

    what: str
    used: int
    limit: int
    advice: str

    @property
    def exceeded(self) -> bool:
        """Whether the cloud would refuse it."""
        return self.used > self.limit


def usage(plan: Plan, template: dict[str, Any]) -> list[Usage]:
    """What a plan and its template (as Heat gets it) use of each limit."""
    user_data = boothook(plan.agent, plan.agent_unit).encode()
    # A part with other characters than ASCII travels as base64.
    size = len(user_data) if user_data.isascii() else len(user_data) * 4 // 3 + len(user_data) // 57
    return [
        Usage("bytes of the template, as Heat counts them", len(str(template)), MAX_TEMPLATE,
              "shorten overrides"),
        Usage("bytes of the create request", len(json.dumps(template)), MAX_REQUEST,
              "shorten overrides"),
        Usage("resources of the stack", resources(plan, template), MAX_RESOURCES,
              "use fewer workers, or let the operator raise max_resources_per_stack"),
        Usage("software configurations of the project", configs(plan, template), MAX_CONFIGS,
              "use fewer workers, or let the operator raise max_software_configs_per_tenant"),
        Usage("bytes of user data", size + HEAT_USER_DATA, MAX_USER_DATA,
              "the agent is too large: report it"),
    ]  # fmt: skip


def resources(plan: Plan, template: dict[str, Any]) -> int:
    """How many resources Heat counts: for each worker a server and its group's deployments."""
    members = sum(group.count * (1 + deployments(plan, group.name)) for group in plan.spec.workers)
    return len(template["resources"]) + members


def configs(plan: Plan, template: dict[str, Any]) -> int:
    """How many software configurations there are: Heat makes one more for each deployment."""
    kinds = [item["type"] for item in template["resources"].values()]
    workers = sum(group.count * deployments(plan, group.name) for group in plan.spec.workers)
    control = sum(1 for item in plan.deployments if item.index is not None)
    return kinds.count("OS::Heat::SoftwareConfig") + control + workers


def deployments(plan: Plan, group: str) -> int:
    """Deployments on each server of a group of workers."""
    return sum(1 for item in plan.deployments if item.group == group)


@dataclass(frozen=True)
class Largest:
    """How far a group of workers can grow while the others stay as they are, and what stops it."""

    group: str
    count: int
    stopped_by: str


def largest(plan: Plan, template: dict[str, Any]) -> list[Largest]:
    """How far each group of workers can grow under the limits of Heat and of the networks."""
    found = []
    for group in plan.spec.workers:
        steps = deployments(plan, group.name)
        free = {
            "resources of the stack": (MAX_RESOURCES - resources(plan, template)) // (1 + steps),
            "software configurations": (MAX_CONFIGS - configs(plan, template)) // max(1, steps),
            "addresses": plan.worker_room - plan.spec.worker_count,
            "heatgen": MAX_WORKERS - group.count,
        }
        reason = min(free, key=free.__getitem__)
        found.append(Largest(group.name, max(0, group.count + free[reason]), reason))
    return found
