# SPDX-License-Identifier: Apache-2.0
"""A node's clock is a minute and a half ahead.

All nodes of the lab are containers of one kernel, which has one clock. In the recorded facts the
node's own moments are later, and its kubelet has renewed its lease in the future.
"""

from typing import Any

from lab.faultinjection.context import Victims

KIND = "replayed"
SAYS = ("clock",)
COMPANIONS: dict[str, str] = {}

AHEAD = 90.0


def alter(facts: dict[str, Any]) -> Victims:
    """Set the clock of the last node ahead."""
    name = max(facts["views"])
    clock = facts["views"][name]["machine"]["clock"]
    for moment in ("began", "ended"):
        clock[moment] += AHEAD
    facts["node_leases"][name]["age"] -= AHEAD
    return Victims((name,))
