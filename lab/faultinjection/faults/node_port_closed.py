# SPDX-License-Identifier: Apache-2.0
"""The security group of the workers does not allow TCP 30000-32767 (real Neutron rules).

The rules are deleted, and created again with new ids.
"""

import json
from typing import Any

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("30000-32767",)
COMPANIONS: dict[str, str] = {}


def inject(context: Context) -> Victims:
    """Delete the rules of the first worker's group, so that its NodePorts are closed."""
    groups = rules_of(context)
    context.save("rules", groups)
    for rule in groups:
        context.openstack("security", "group", "rule", "delete", rule["id"])
    return WHOLE_CLUSTER


def rules_of(context: Context) -> list[dict[str, Any]]:
    """Return the rules for TCP NodePorts in the first worker's groups."""
    server = json.loads(context.openstack("server", "show", "-f", "json", context.victim.name))
    names = {group["name"] for group in server["security_groups"]}
    found = []
    for name in names:
        rules = context.openstack("security", "group", "rule", "list", "-f", "json", name)
        found += [
            {"id": row["ID"], "group": name, "from": row["Remote Security Group"]}
            for row in json.loads(rules)
            if (row["IP Protocol"], row["Port Range"]) == ("tcp", "30000:32767")
        ]
    return found


def heal(context: Context) -> None:
    """Create the rules again; errors about existing rules are ignored."""
    for rule in context.saved("rules", []):
        options = ["--protocol", "tcp", "--dst-port", "30000:32767", "--ingress"]
        options += ["--remote-group", rule["from"], rule["group"]]
        context.openstack("security", "group", "rule", "create", *options, check=False)
