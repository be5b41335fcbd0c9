# SPDX-License-Identifier: Apache-2.0
"""Recognition and size of clusters, from the templates of their stacks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heatgen.hot.deployments import GROUP, SERVER, Resources, members_of

_DESCRIPTION = re.compile(r"Kubernetes cluster (\S+): .* Made by heatgen (\S+)\.\Z", re.DOTALL)


@dataclass(frozen=True)
class Size:
    """Number of servers."""

    control: int
    workers: int


def cluster_of(description: object) -> str:
    """Return the name of the cluster in a template's description; '' if it is not of heatgen."""
    found = _DESCRIPTION.match(str(description or ""))
    return found[1] if found else ""


def kubernetes(template: Mapping[str, Any]) -> str:
    """Return the version of Kubernetes in a template; '' if it has none."""
    facts = (template.get("outputs") or {}).get("conformance", {}).get("value")
    versions = facts.get("versions") if isinstance(facts, dict) else None
    return str((versions or {}).get("kubernetes", ""))


def size(resources: Resources) -> Size:
    """Return the number of servers in the resources of a template."""
    control = sum(item["type"] == SERVER for item in resources.values())
    workers = sum(
        len(members_of(name, resources))
        for name, item in resources.items()
        if item["type"] == GROUP and item["properties"]["resource_def"].get("type") == SERVER
    )
    return Size(control, workers)
