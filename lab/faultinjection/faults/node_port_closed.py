# SPDX-License-Identifier: Apache-2.0
"""The cloud's security group of the workers lets nobody in at TCP 30000-32767: Neutron's own rules.

They are taken out of the group and put back as they were, but with new ids.
"""

import json
from typing import Any

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims

KIND = "real"
SAYS = ("30000-32767",)
COMPANIONS: dict[str, str] = {}


def inject(context: Context) -> Victims:
    """Delete the rules of the group that the first worker is in; then its NodePorts are closed."""
    groups = rules_of(context)
    context.keep("rules", groups)
    for rule in groups:
        context.openstack("security", "group", "rule", "delete", rule["id"])
    return WHOLE_CLUSTER


def rules_of(context: Context) -> list[dict[str, Any]]:
    """The rules for NodePorts by TCP in the first worker's groups."""
    server = json.loads(context.openstack("server", "show", "-f", "json", context.victim.name))
    names = {group["name"] for group in server["security_groups"]}
    found = []
    for name in names:
        told = context.openstack("security", "group", "rule", "list", "-f", "json", name)
        found += [
            {"id": row["ID"], "group": name, "from": row["Remote Security Group"]}
            for row in json.loads(told)
            if (row["IP Protocol"], row["Port Range"]) == ("tcp", "30000:32767")
        ]
    return found


def heal(context: Context) -> None:
    """Make them again; a rule that is there already is said so, and is well."""
    for rule in context.kept("rules", []):
        words = ["--protocol", "tcp", "--dst-port", "30000:32767", "--ingress"]
        words += ["--remote-group", rule["from"], rule["group"]]
        context.openstack("security", "group", "rule", "create", *words, check=False)
