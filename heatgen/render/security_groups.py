# SPDX-License-Identifier: Apache-2.0
"""Security groups of a plan in HOT."""

from collections.abc import Iterator
from typing import Any

from heatgen.hot import names
from heatgen.hot.template import (
    Resource,
    get_resource,
)
from heatgen.layers import CONTROL, WORKER
from heatgen.plan.model import Plan
from heatgen.plan.security_groups import Rule


def resources(plan: Plan) -> Iterator[tuple[str, Resource]]:
    """Yield a security group for each role.

    The groups refer to each other. Heat does not support circular dependencies, so rules for
    workers from control-plane nodes are separate resources.
    """
    separate = [rule for rule in plan.rules if (rule.role, rule.from_role) == (WORKER, CONTROL)]
    for role in (WORKER, CONTROL):
        rules = [rule for rule in plan.rules if rule.role == role and rule not in separate]
        group: dict[str, Any] = {
            "description": f"heatgen: {role} nodes of {plan.spec.name}",
            "rules": [_rule(rule) for rule in rules],
        }
        yield names.security_group(role), Resource("OS::Neutron::SecurityGroup", group)
    for rule in separate:
        properties: dict[str, Any] = {
            "security_group": get_resource(names.security_group(WORKER)),
            "remote_group": get_resource(names.security_group(CONTROL)),
            **_traffic(rule),
        }
        name = names.security_rule(WORKER, CONTROL, rule.protocol, rule.first, rule.last)
        yield name, Resource("OS::Neutron::SecurityGroupRule", properties)


def _rule(rule: Rule) -> dict[str, Any]:
    """Return a rule inside a security group."""
    if rule.from_network:
        return {**_traffic(rule), "remote_ip_prefix": rule.from_network}
    origin: dict[str, Any] = {"remote_mode": "remote_group_id"}
    if rule.from_role != rule.role:
        origin["remote_group_id"] = get_resource(names.security_group(rule.from_role))
    return {**_traffic(rule), **origin}


def _traffic(rule: Rule) -> dict[str, Any]:
    ports = {"port_range_min": rule.first, "port_range_max": rule.last} if rule.first else {}
    return {"protocol": rule.protocol, **ports}
