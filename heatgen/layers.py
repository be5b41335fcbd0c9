# SPDX-License-Identifier: Apache-2.0
"""The layers of a cluster and the roles of its servers."""

LAYERS = ("os", "runtime", "kvstore", "network", "orchestration")
"""The five layers, from bottom to top."""
OS, RUNTIME, KVSTORE = LAYERS[:3]
GROUP_LAYERS = (OS, RUNTIME)
"""The layers whose block may differ between groups."""
ORCHESTRATION = LAYERS[-1]
TRUST = "trust"
"""The block that all layers use: keys, certificate requests, certificates."""
CONTROL = "control"
WORKER = "worker"
ROLES = (CONTROL, WORKER)
"""``control`` is also the name of the control plane's group; workers have one or more groups."""


def role_of(group: str) -> str:
    """Return the role of a group's servers."""
    return CONTROL if group == CONTROL else WORKER
