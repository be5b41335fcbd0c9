# SPDX-License-Identifier: Apache-2.0
"""The names of resources in the template.

They are permanent: a changed name makes Heat replace what it names.
"""

from heatgen.layers import CONTROL, WORKER


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


def workers(group: str) -> str:
    """Resource of a group of workers."""
    return "workers" if group == WORKER else f"workers_{_word(group)}"


def server_group(group: str) -> str:
    """Nova server group of a group's servers."""
    return "control_group" if group == CONTROL else f"server_group_{_word(group)}"


def volume(layer: str, name: str, index: int) -> str:
    """Cinder volume that a block wants on control-plane node ``index``."""
    return f"{layer}_{_word(name)}_volume_{control(index)}"


def volume_attachment(layer: str, name: str, index: int) -> str:
    """What joins that volume and its server."""
    return f"{layer}_{_word(name)}_attachment_{control(index)}"


def group_parameter(group: str, what: str) -> str:
    """Parameter of a group: its ``count``, ``flavor`` or ``image``."""
    return f"{_word(group)}_{what}"


def api_member(index: int) -> str:
    """A control-plane node behind the load balancer."""
    return f"api_member_{index}"


def step_config(layer: str, step: str, block: str = "") -> str:
    """SoftwareConfig of a step; with the block's name if it is not the layer's main one."""
    return "_".join(part for part in (layer, _word(step), _word(block), "config") if part)


def step_deployment(layer: str, step: str, group: str, index: int | None) -> str:
    """Deployment of a step: on control-plane node ``index``, or (None) on a group of workers."""
    place = workers(group) if index is None else control(index)
    return f"{layer}_{_word(step)}_{place}"


def _word(text: str) -> str:
    return text.replace("-", "_")
