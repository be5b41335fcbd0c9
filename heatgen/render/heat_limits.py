# SPDX-License-Identifier: Apache-2.0
"""Limits of Heat and Nova, checked before anything is created.

Those of Heat (``heat/common/config.py``, ``heat/common/wsgi.py``) can be raised in ``heat.conf``;
``limits`` in ``cluster.yaml`` then has their values. That of Nova is part of its API
(``user_data``: 65535 characters of base64).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heatgen.blocks.boot import IGNITION, Boot
from heatgen.hot import names, resolve
from heatgen.plan import site
from heatgen.plan.model import Plan
from heatgen.render.servers import user_data_name
from heatgen.spec.workers import MAX_COUNT
from heatgen.yamlio.document import Path

MAX_USER_DATA = 49_149
"""Bytes of user data before base64."""
HEAT_USER_DATA = 12_000
"""Bytes that Heat adds to user data for cloud-init: its own parts and the server's metadata.
Measured as 8 to 9 KB with openstack-heat 27 (tests/heat), plus a margin for long names and URLs."""
HEAT_IGNITION = 4_000
"""Bytes that Heat adds to user data for Ignition: the server's metadata, twice. Measured as 1.6 to
3 KB, plus a margin for long names and URLs."""


@dataclass(frozen=True)
class Usage:
    """Usage of a limit."""

    what: str
    used: int
    limit: int
    advice: str
    path: Path
    """The key in ``cluster.yaml`` with the largest share."""

    @property
    def exceeded(self) -> bool:
        """Return whether the cloud would reject the stack."""
        return self.used > self.limit


def usage(plan: Plan, template: Mapping[str, Any]) -> list[Usage]:
    """Return the usage of each limit by a plan and its template (as sent to Heat)."""
    limits, kinds = plan.spec.limits, types(template)
    # python-heatclient sends a mapping, and Heat measures its repr.
    size, request = len(str(template)), len(json.dumps(template))
    used = resources(plan, kinds)
    configurations = configs(plan, kinds)
    return [
        _of_template("bytes of the template", "max_template_size", size,
                     limits.max_template_size, plan, template),
        _of_template("bytes of the create request", "max_json_body_size", request,
                     limits.max_json_body_size, plan, template),
        _of_workers("resources of the stack", "max_resources_per_stack", used,
                    limits.max_resources_per_stack, plan, 1),
        _of_workers("software configurations of the project", "max_software_configs_per_tenant",
                    configurations, limits.max_software_configs_per_tenant, plan, 0),
        _of_user_data(plan, template),
    ]  # fmt: skip


def types(template: Mapping[str, Any]) -> list[str]:
    """Return the types of a template's resources."""
    return [item["type"] for item in template["resources"].values()]


def resources(plan: Plan, kinds: Sequence[str]) -> int:
    """Return how many resources Heat counts: for each worker, its server and its deployments.

    Args:
        plan: the plan.
        kinds: types of the template's resources.
    """
    steps = deployments(plan)
    return len(kinds) + sum(group.count * (1 + steps[group.name]) for group in plan.spec.workers)


def configs(plan: Plan, kinds: Sequence[str]) -> int:
    """Return the number of software configurations: Heat adds one for each deployment.

    Args:
        plan: the plan.
        kinds: types of the template's resources.
    """
    steps = deployments(plan)
    workers = sum(group.count * steps[group.name] for group in plan.spec.workers)
    control = sum(1 for item in plan.deployments if item.index is not None)
    return kinds.count("OS::Heat::SoftwareConfig") + control + workers


def deployments(plan: Plan) -> dict[str, int]:
    """Return the number of deployments on each worker, by group."""
    found = {group.name: 0 for group in plan.spec.workers}
    for item in plan.deployments:
        if item.index is None:
            found[item.group] += 1
    return found


@dataclass(frozen=True)
class Largest:
    """Maximum count of a group of workers if the others do not change, and the limiting factor."""

    group: str
    count: int
    stopped_by: str


def largest(plan: Plan, kinds: Sequence[str]) -> list[Largest]:
    """Return the maximum count of each group of workers under the limits of Heat and networks.

    Args:
        plan: the plan.
        kinds: types of the template's resources.
    """
    limits, steps = plan.spec.limits, deployments(plan)
    free_resources = limits.max_resources_per_stack - resources(plan, kinds)
    free_configs = limits.max_software_configs_per_tenant - configs(plan, kinds)
    found = []
    for group in plan.spec.workers:
        free = {
            "resources of the stack": free_resources // (1 + steps[group.name]),
            "software configurations": free_configs // max(1, steps[group.name]),
            "addresses": plan.max_workers - plan.spec.worker_count,
            "heatgen": MAX_COUNT - group.count,
        }
        reason = min(free, key=free.__getitem__)
        found.append(Largest(group.name, max(0, group.count + free[reason]), reason))
    return found


def _raised(option: str) -> str:
    """Return the advice to raise a limit of Heat."""
    return f"raise {option} in heat.conf and set limits.{option}"


def _of_workers(what: str, option: str, used: int, limit: int, plan: Plan, server: int) -> Usage:
    """Return the usage of a limit that counts workers; each counts ``server`` and its steps."""
    groups = [group for group in plan.spec.workers if group.count]
    steps = deployments(plan)
    each = min((server + steps[group.name] for group in groups), default=0)
    total = sum(group.count for group in groups)
    fewer = -(-(used - limit) // each) if each else 0
    if 0 < fewer <= total:
        advice = f"use at most {total - fewer} workers instead of {total}, or "
    else:
        advice = "use fewer groups of workers, or "
    return Usage(what, used, limit, advice + _raised(option), ("workers",))


def _of_template(
    what: str, option: str, used: int, limit: int, plan: Plan, template: Mapping[str, Any]
) -> Usage:
    """Return the usage of a limit of the template's size, with its largest variable part."""
    groups, authorities = plan.spec.workers, plan.spec.site.ca_certificates
    marks = {names.workers(group.name) for group in groups} | {group.name for group in groups}
    marks |= {item.name for item in plan.deployments if item.index is None}
    by_group = _size_of(template, frozenset(marks))
    parts: dict[Path, int] = {
        ("overrides",): len(json.dumps(plan.spec.overrides)),
        ("site", "ca_certificates"): 2 * len(authorities),
        ("workers",): by_group if len(groups) > 1 else 0,
    }
    path = max(parts, key=parts.__getitem__)
    each = by_group // len(groups) or 1
    remaining = max(1, len(groups) - -(-(used - limit) // each))
    advice: dict[Path, str] = {
        ("overrides",): f"shorten overrides, which have {parts[path]} bytes",
        ("site", "ca_certificates"): f"shorten site.ca_certificates, which has {len(authorities)} "
        "bytes",
        ("workers",): f"use at most {remaining} groups of workers instead of {len(groups)}: each "
        f"takes about {each} bytes",
    }
    return Usage(what, used, limit, f"{advice[path]}; or {_raised(option)}", path)


def _size_of(value: Any, marks: frozenset[str]) -> int:
    """Return the size of the parts of a template that belong to groups of workers.

    Args:
        value: the template or a part of it.
        marks: names of groups and of their resources, as keys or in references.
    """
    if isinstance(value, Mapping):
        return sum(
            len(key) + len(str(item)) if key in marks else _size_of(item, marks)
            for key, item in value.items()
        )
    if isinstance(value, list | tuple):
        return sum(_size_of_item(item, marks) for item in value)
    return 0


def _size_of_item(item: Any, marks: frozenset[str]) -> int:
    if isinstance(item, str):
        return len(item) if item in marks else 0
    targets = {target for _, target in resolve.references(item)}
    return len(str(item)) if targets and targets <= marks else _size_of(item, marks)


def _of_user_data(plan: Plan, template: Mapping[str, Any]) -> Usage:
    """Return the usage of Nova's limit by the user data as rendered, the largest one."""
    # Groups whose servers start alike share a resource.
    boots = {user_data_name(plan, group): boot for group, boot in plan.boots.items()}
    size = max(
        _sent(boot, template["resources"][name]["properties"]["config"])
        for name, boot in boots.items()
    )
    authorities = plan.spec.site.ca_certificates
    count = len(site.certificates(authorities))
    path: Path = ("site", "ca_certificates")
    if count:
        advice = (
            f"shorten site.ca_certificates, whose {count} certificates take {len(authorities)} "
            "bytes, to those that nodes need: Nova's limit cannot be raised"
        )
    elif any(boot.files for boot in plan.boots.values()):
        advice, path = "shorten the files under 'boot' of the os block", ("os", "use")
    else:
        advice = "this is a bug in heatgen: report it"
    return Usage("bytes of user data", size, MAX_USER_DATA, advice, path)


def _sent(boot: Boot, text: str) -> int:
    """Return the size of user data with what Heat adds."""
    if boot.by == IGNITION:
        # Heat writes the JSON again, with a space after each separator.
        return len(json.dumps(json.loads(text))) + HEAT_IGNITION
    data = text.encode()
    # A part with non-ASCII characters is encoded in base64.
    size = len(data) if data.isascii() else len(data) * 4 // 3 + len(data) // 57
    return size + HEAT_USER_DATA
