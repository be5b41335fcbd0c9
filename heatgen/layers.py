# SPDX-License-Identifier: Apache-2.0
"""The layers of a cluster and the roles of its servers."""

LAYERS = ("os", "runtime", "kvstore", "network", "orchestration")
"""The five layers, from the ground up."""
RUNTIME = LAYERS[1]
"""The layer whose block may differ from group to group."""
ORCHESTRATION = LAYERS[-1]
TRUST = "trust"
"""The block between the layers: keys, certificate requests, certificates."""
CONTROL = "control"
WORKER = "worker"
ROLES = (CONTROL, WORKER)
"""Also the names of groups: the control plane is one, workers are one or several."""


def role_of(group: str) -> str:
    """The role of a group's servers."""
    return CONTROL if group == CONTROL else WORKER
