# SPDX-License-Identifier: Apache-2.0
"""A load balancer in front of the API silently drops idle connections.

Replayed: the lab's cloud has no Octavia, so there is no load balancer between clients and the API.
"""

from lab.faultinjection.context import WHOLE_CLUSTER, Json, Victims

KIND = "replayed"
MESSAGE_CONTAINS = ("load balancer",)
COMPANIONS: dict[str, str] = {}


def alter(facts: Json) -> Victims:
    """Time out a request on a connection that was idle for a minute."""
    facts["idle"] = {"seconds": 65.0, "problem": "ReadTimeoutError: Read timed out."}
    return WHOLE_CLUSTER
