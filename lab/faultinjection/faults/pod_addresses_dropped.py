# SPDX-License-Identifier: Apache-2.0
"""The cloud's port security drops what pods of other nodes send under their own addresses.

That is so where the back end is host-gw and ports know no allowed address pairs. The flannel of
heatgen wraps packets in VXLAN, so the lab's Neutron never sees an address of a pod. In the
recorded facts leases are of host-gw, routes lead to the nodes' own addresses, and no echo returns.
"""

from typing import Any

from lab.faultinjection.context import WHOLE_CLUSTER, Victims
from lab.faultinjection.faults import _shared

KIND = "replayed"
SAYS = ("host-gw", "allowed address pairs")
COMPANIONS = _shared.HOSTS
UNASKED = _shared.UNASKED


def alter(facts: dict[str, Any]) -> Victims:
    """Another back end, and every echo between nodes lost."""
    for source, view in facts["views"].items():
        leases = view["leases"] if isinstance(view["leases"], list) else []
        for lease in leases:
            lease |= {"backend": "host-gw", "mac": "", "vni": None}
        ways = {route["via"]: route for route in view["routes"] if route["device"] == "flannel.1"}
        for forward, route in zip(view["forwards"], ways.values(), strict=False):
            route |= {"via": forward["address"], "device": "eth0"}
        view["links"].pop("flannel.1", None)
        for pings in (view["pod_pings"], view["host_pings"]):
            for target, ping in pings.items():
                if source != target:
                    ping |= {"received": 0, "ms": None} | (
                        {"least": None} if "least" in ping else {}
                    )
    return WHOLE_CLUSTER
