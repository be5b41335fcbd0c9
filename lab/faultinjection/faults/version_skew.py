# SPDX-License-Identifier: Apache-2.0
"""A kubelet is four minor versions older than the API server.

The lab has one version of Kubernetes. In the recorded facts the node tells another.
"""

from typing import Any

from lab.faultinjection.context import Victims

KIND = "replayed"
SAYS = ("v1.33.4",)
COMPANIONS: dict[str, str] = {}


def alter(facts: dict[str, Any]) -> Victims:
    """Let the last node run an old kubelet."""
    name = max(facts["nodes"])
    facts["nodes"][name]["kubelet"] = "v1.33.4"
    return Victims((name,))
