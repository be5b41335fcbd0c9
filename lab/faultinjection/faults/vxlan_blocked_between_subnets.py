# SPDX-License-Identifier: Apache-2.0
"""Workers are in another subnet than the control plane, and no VXLAN packet passes between the two.

All nodes of the lab are in one subnet: heatgen makes one network for a cluster. In the recorded
facts the workers get addresses of another subnet, wherever they are named, and no echo returns from
pods across it.
"""

import json
import re
from typing import Any

from lab.faultinjection.context import WHOLE_CLUSTER, Victims
from lab.faultinjection.faults import _shared

KIND = "replayed"
SAYS = ("192.0.2.0/24", "198.51.100.0/24", "8472")
COMPANIONS = _shared.HOSTS
UNASKED = _shared.UNASKED

HERE, THERE = "192.0.2", "198.51.100"
LOST = {"received": 0, "ms": None, "least": None}


def alter(facts: dict[str, Any]) -> Victims:
    """Move the workers, and lose every echo between pods, and from hosts to pods, across."""
    nodes = facts["nodes"].values()
    moved = {
        node["name"]: node["address"] for node in nodes if "control-plane" not in node["roles"]
    }
    text = json.dumps(facts)
    for address in moved.values():
        away = address.replace(f"{HERE}.", f"{THERE}.")
        text = re.sub(rf"(?<![0-9.]){re.escape(address)}(?![0-9])", away, text)
    facts.clear()
    facts.update(json.loads(text))
    facts["expected"]["networks"].pop("nodes", None)  # there are two of them now
    for source, view in facts["views"].items():
        for pings in (view["pod_pings"], view["host_pings"]):
            for target, ping in pings.items():
                if (source in moved) != (target in moved):
                    ping.update({key: LOST.get(key, ping[key]) for key in ping})
    return WHOLE_CLUSTER
