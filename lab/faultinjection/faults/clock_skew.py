# SPDX-License-Identifier: Apache-2.0
"""A node's clock is 90 seconds ahead.

All nodes of the lab are containers on one kernel, which has one clock. In the recorded facts the
node's timestamps are later, and its kubelet renewed its lease in the future.
"""

from typing import Any

from lab.faultinjection.context import Victims

KIND = "replayed"
MESSAGE_CONTAINS = ("clock",)
COMPANIONS: dict[str, str] = {}

AHEAD = 90.0


def alter(facts: dict[str, Any]) -> Victims:
    """Move the clock of the last node forward."""
    name = max(facts["views"])
    clock = facts["views"][name]["machine"]["clock"]
    for moment in ("began", "ended"):
        clock[moment] += AHEAD
    facts["node_leases"][name]["age"] -= AHEAD
    return Victims((name,))
