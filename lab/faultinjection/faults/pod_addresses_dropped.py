# SPDX-License-Identifier: Apache-2.0
"""The cloud's port security drops packets with pod addresses as source.

This happens with the flannel backend host-gw if ports have no allowed address pairs. The recorded
cluster uses VXLAN, so its Neutron never saw pod addresses. In the altered facts the leases have the
backend host-gw, routes point to the addresses of the nodes, and all pings are lost.
"""

from typing import Any

from lab.faultinjection.context import WHOLE_CLUSTER, Victims
from lab.faultinjection.faults import _shared

KIND = "replayed"
MESSAGE_CONTAINS = ("host-gw", "allowed address pairs")
COMPANIONS = _shared.HOSTS
INCONCLUSIVE = _shared.INCONCLUSIVE


def alter(facts: dict[str, Any]) -> Victims:
    """Change the backend, and lose all pings between nodes."""
    views = facts["views"].values()
    leases = [
        lease for view in views if isinstance(view["leases"], list) for lease in view["leases"]
    ]
    addresses = {lease["subnet"]: lease["public_ip"] for lease in leases}
    for lease in leases:
        lease |= {"backend": "host-gw", "mac": "", "vni": None}
    for source, view in facts["views"].items():
        for route in view["routes"]:
            if route["device"] == "flannel.1":
                route |= {"via": addresses[route["to"]], "device": "eth0"}
        view["links"].pop("flannel.1", None)
        for pings in (view["pod_pings"], view["host_pings"]):
            for target, ping in pings.items():
                if source != target:
                    ping |= {"received": 0, "ms": None} | (
                        {"least": None} if "least" in ping else {}
                    )
    return WHOLE_CLUSTER
