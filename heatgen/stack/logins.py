# SPDX-License-Identifier: Apache-2.0
"""Users for the login on a cluster's servers, from the template of its stack."""

from collections.abc import Mapping
from typing import Any

FALLBACK = "debian"
"""For stacks of heatgen 0.1, which supported no other system."""


def users(template: Mapping[str, Any]) -> dict[str, str]:
    """Return the user of each group of servers, from the output ``nodes`` of a template."""
    value = (template.get("outputs") or {}).get("nodes", {}).get("value")
    parts = value.get("map_merge") if isinstance(value, dict) else None
    found = {}
    for part in parts if isinstance(parts, list) else ():
        node = part["map_merge"]["repeat"]["template"]["<name>"]
        found[node["group"]] = node.get("user", FALLBACK)
    return found


def user(stack: str, server: str, by_group: Mapping[str, str]) -> str:
    """Return the user of a server, whose name is STACK-GROUP-INDEX."""
    group = server.removeprefix(f"{stack}-").rpartition("-")[0]
    return by_group.get(group, FALLBACK)
