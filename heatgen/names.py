# SPDX-License-Identifier: Apache-2.0
"""The words of the house and the names of resources in the template.

Names of resources are for ever: a changed name makes Heat replace what it names.
"""

LAYERS = ("os", "runtime", "kvstore", "network", "orchestration")
"""The five layers, from the ground up."""

ORCHESTRATION = LAYERS[-1]

TRUST = "trust"
"""The mortar between the layers: keys, requests, certificates."""

CONTROL = "control"
WORKER = "worker"
ROLES = (CONTROL, WORKER)


def control(index: int) -> str:
    """Server resource of a control-plane node."""
    return f"control_{index}"


def control_port(index: int) -> str:
    """Neutron port of a control-plane node."""
    return f"control_{index}_port"


def security_group(role: str) -> str:
    """Security group of a role's servers."""
    return f"security_group_{role}"


def security_rule(role: str, origin: str, protocol: str, first: int, last: int) -> str:
    """Rule for servers of a role that stands outside their group."""
    ports = "" if not first else f"_{first}" if first == last else f"_{first}_{last}"
    return f"security_rule_{role}_from_{origin}_{protocol}{ports}"


def step_config(layer: str, step: str) -> str:
    """SoftwareConfig of a step."""
    return f"{layer}_{_word(step)}_config"


def step_deployment(layer: str, step: str, index: int | None) -> str:
    """Deployment of a step: on control-plane node ``index``, or (None) on all workers."""
    place = "workers" if index is None else f"control_{index}"
    return f"{layer}_{_word(step)}_{place}"


def _word(text: str) -> str:
    return text.replace("-", "_")
