# SPDX-License-Identifier: Apache-2.0
"""Who may talk to whom: rules of the security groups, from the ports that blocks declare.

Only what a block declares is open, and only from where it says. All egress is open (Neutron's own
default): nodes fetch artifacts and images from places that this generator cannot list by address,
and pods talk to the world.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from heatgen.blocks.catalog import Block, Port
from heatgen.blocks.references import option_text
from heatgen.layers import ROLES
from heatgen.plan.inputs import BlockContext, PlanContext, holds
from heatgen.spec.model import OCTAVIA, Spec


@dataclass(frozen=True, order=True, kw_only=True)
class Rule:
    """Traffic that servers of a role accept; from a role's group or from a network."""

    role: str
    protocol: str
    first: int = 0
    """First and last port; 0 for protocols without ports."""
    last: int = 0
    from_role: str = ""
    """'' when ``from_network`` is set, and the other way round."""
    from_network: str = ""
    why: str


def rules(context: PlanContext) -> tuple[Rule, ...]:
    """All rules, in a fixed order: ICMP among the nodes, then what the blocks ask for."""
    wanted = [
        Rule(role=role, protocol="icmp", from_role=origin, why="reachability and path MTU")
        for role in ROLES
        for origin in ROLES
    ]
    for block in context.blocks:
        block_context = BlockContext(context, block, context.users(block)[0])
        for port in block.ports:
            if holds(port.when, block_context):
                wanted += _port_rules(context.spec, block, port)
    # Neutron refuses a rule that is there already, whatever it is for.
    traffic = {dataclasses.replace(rule, why=""): rule for rule in reversed(wanted)}
    return tuple(sorted(traffic.values()))


def _port_rules(spec: Spec, block: Block, port: Port) -> Iterator[Rule]:
    """The rules of one declared port."""
    first, _, last = option_text(port.port, spec.options_of(block)).partition("-")
    for role in port.to:
        rule = Rule(
            role=role,
            protocol=port.protocol,
            first=int(first or 0),
            last=int(last or first or 0),
            why=f"{block.layer}: {port.why}",
        )
        for origin in port.origins:
            if origin in ROLES:
                yield dataclasses.replace(rule, from_role=origin)
            else:
                for network in _networks(spec, origin):
                    yield dataclasses.replace(rule, from_network=network)


def _networks(spec: Spec, origin: str) -> tuple[str, ...]:
    """The networks that a named source stands for."""
    if origin == "pods":
        pods = spec.layers["network"].options.get("pods")
        return (str(pods),) if pods else ()
    if origin == "ssh":
        return spec.access.ssh
    # Octavia's own servers stand in the nodes' network; whom they let through is the listener's.
    octavia = spec.control_plane.load_balancer == OCTAVIA
    return (str(spec.cloud.nodes),) if octavia else spec.access.api
