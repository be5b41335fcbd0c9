# SPDX-License-Identifier: Apache-2.0
"""Names of resources and parameters in the template.

They must never change: Heat replaces a resource whose name changes.
"""

import re

from heatgen.layers import CONTROL, WORKER

MAX_STACK_NAME = 200
"""Characters: names of servers and volumes begin with it and have at most 255."""
_STACK_NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_.-]{{0,{MAX_STACK_NAME - 1}}}\Z")


def valid_stack_name(name: str) -> bool:
    """Return whether Heat accepts the name of a stack, and it is short enough for its servers."""
    return _STACK_NAME.match(name) is not None


def agent(system: str = "") -> str:
    """Return the name of the user data, of the control plane's or another system."""
    return f"agent_{_identifier(system)}" if system else "agent"


def control(index: int) -> str:
    """Return the name of a control-plane server."""
    return f"control_{index}"


def control_port(index: int) -> str:
    """Return the name of the Neutron port of a control-plane server."""
    return f"control_{index}_port"


def security_group(role: str) -> str:
    """Return the name of the security group of a role's servers."""
    return f"security_group_{role}"


def security_rule(role: str, origin: str, protocol: str, first: int, last: int) -> str:
    """Return the name of a rule that is a resource of its own."""
    ports = "" if not first else f"_{first}" if first == last else f"_{first}_{last}"
    return f"security_rule_{role}_from_{origin}_{protocol}{ports}"


def workers(group: str) -> str:
    """Return the name of the ResourceGroup of a group of workers."""
    return "workers" if group == WORKER else f"workers_{_identifier(group)}"


def server_group(group: str) -> str:
    """Return the name of the Nova server group of a group."""
    return "control_group" if group == CONTROL else f"server_group_{_identifier(group)}"


def volume(layer: str, name: str, index: int) -> str:
    """Return the name of a block's Cinder volume on control-plane node ``index``."""
    return f"{layer}_{_identifier(name)}_volume_{control(index)}"


def volume_attachment(layer: str, name: str, index: int) -> str:
    """Return the name of the attachment of that volume to its server."""
    return f"{layer}_{_identifier(name)}_attachment_{control(index)}"


def group_parameter(group: str, what: str) -> str:
    """Return the name of a group's parameter ``count``, ``removed``, ``flavor`` or ``image``."""
    return f"{_identifier(group)}_{what}"


def api_member(index: int) -> str:
    """Return the name of a load balancer's member for a control-plane node."""
    return f"api_member_{index}"


def step_config(layer: str, step: str, block: str = "") -> str:
    """Return the name of a step's SoftwareConfig.

    Args:
        layer: the layer of the step's block.
        step: the step.
        block: the block, if it is not the one that the control plane uses.
    """
    parts = (layer, _identifier(step), _identifier(block), "config")
    return "_".join(part for part in parts if part)


def step_deployment(layer: str, step: str, group: str, index: int | None) -> str:
    """Return the name of a deployment on control-plane node ``index``, or (None) on workers."""
    target = workers(group) if index is None else control(index)
    return f"{layer}_{_identifier(step)}_{target}"


def _identifier(text: str) -> str:
    return text.replace("-", "_")
