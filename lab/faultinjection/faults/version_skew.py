# SPDX-License-Identifier: Apache-2.0
"""A kubelet is four minor versions older than the API server.

The lab has only one version of Kubernetes. In the recorded facts the node reports another one.
"""

from typing import Any

from lab.faultinjection.context import Victims

KIND = "replayed"
MESSAGE_CONTAINS = ("v1.33.4",)
COMPANIONS: dict[str, str] = {}


def alter(facts: dict[str, Any]) -> Victims:
    """Set an old kubelet version on the last node."""
    name = max(facts["nodes"])
    facts["nodes"][name]["kubelet"] = "v1.33.4"
    return Victims((name,))
