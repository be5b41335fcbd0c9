# SPDX-License-Identifier: Apache-2.0
"""A load balancer in front of the API drops connections that are idle, and tells nobody.

Replayed: the lab's cloud has no Octavia, so nothing stands between users and the API that could.
"""

from lab.faultinjection.context import WHOLE_CLUSTER, Json, Victims

KIND = "replayed"
SAYS = ("load balancer",)
COMPANIONS: dict[str, str] = {}


def alter(facts: Json) -> Victims:
    """After a minute without a word nothing comes back."""
    facts["idle"] = {"seconds": 65.0, "problem": "ReadTimeoutError: Read timed out."}
    return WHOLE_CLUSTER
