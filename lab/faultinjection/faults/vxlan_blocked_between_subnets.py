# SPDX-License-Identifier: Apache-2.0
"""Workers and control plane are in different subnets, and VXLAN is blocked between the two.

All nodes of the lab are in one subnet: heatgen creates one network per cluster. In the recorded
facts all addresses of workers are moved to another subnet, and pings of pods between the subnets
are lost.
"""

import json
import re
from typing import Any

from lab.faultinjection.context import WHOLE_CLUSTER, Victims
from lab.faultinjection.faults import _shared

KIND = "replayed"
MESSAGE_CONTAINS = ("192.0.2.0/24", "198.51.100.0/24", "8472")
COMPANIONS = _shared.HOSTS
INCONCLUSIVE = _shared.INCONCLUSIVE

HERE, THERE = "192.0.2", "198.51.100"
LOST = {"received": 0, "ms": None, "least": None}


def alter(facts: dict[str, Any]) -> Victims:
    """Move the workers, and lose all pings to pods of the other subnet."""
    nodes = facts["nodes"].values()
    moved = {
        node["name"]: node["address"] for node in nodes if "control-plane" not in node["roles"]
    }
    text = json.dumps(facts)
    for address in moved.values():
        replacement = address.replace(f"{HERE}.", f"{THERE}.")
        text = re.sub(rf"(?<![0-9.]){re.escape(address)}(?![0-9])", replacement, text)
    facts.clear()
    facts.update(json.loads(text))
    facts["expected"]["networks"].pop("nodes", None)  # two networks now
    for source, view in facts["views"].items():
        for pings in (view["pod_pings"], view["host_pings"]):
            for target, ping in pings.items():
                if (source in moved) != (target in moved):
                    ping.update({key: LOST.get(key, ping[key]) for key in ping})
    return WHOLE_CLUSTER
