# SPDX-License-Identifier: Apache-2.0
"""Rules of the security groups, from the ports that blocks declare.

Only declared ports are open, and only to the declared sources. All egress is allowed, as is
Neutron's default: nodes download artifacts and images from addresses that are not known here, and
pods connect to any address.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from heatgen.blocks.catalog import Block, Port
from heatgen.blocks.references import option_text
from heatgen.layers import ROLES
from heatgen.plan.inputs import BlockContext, PlanContext, holds
from heatgen.spec import option_conditions
from heatgen.spec.model import OCTAVIA, OVN, Spec


@dataclass(frozen=True, order=True, kw_only=True)
class Rule:
    """Traffic that servers of a role accept from a role's group or from a network."""

    role: str
    protocol: str
    first: int = 0
    """First and last port; 0 for protocols without ports."""
    last: int = 0
    from_role: str = ""
    """Either this or ``from_network`` is set."""
    from_network: str = ""
    why: str


def rules(context: PlanContext) -> tuple[Rule, ...]:
    """Return all rules, sorted: ICMP between nodes, ports of blocks, and routed networks."""
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
    for network in option_conditions.pair_networks(context.spec, context.blocks):
        wanted += _routed_rules(network)
    # Neutron rejects a duplicate rule even if its description differs.
    traffic = {dataclasses.replace(rule, why=""): rule for rule in reversed(wanted)}
    return tuple(sorted(traffic.values()))


def _routed_rules(network: str) -> Iterator[Rule]:
    """Yield the rules for packets that servers send with addresses of a network, and to it.

    A security group does not distinguish a server's own address from those behind it. The network
    has its own rules because a remote group does not contain address pairs in every cloud.
    """
    for role in ROLES:
        for protocol in ("tcp", "udp", "sctp", "icmp"):
            rule = Rule(role=role, protocol=protocol, why=f"packets of {network} between nodes")
            yield dataclasses.replace(rule, from_network=network)
            for origin in ROLES:
                yield dataclasses.replace(rule, from_role=origin)


def _port_rules(spec: Spec, block: Block, port: Port) -> Iterator[Rule]:
    """Yield the rules of one declared port."""
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
    """Return the networks of a named source."""
    if origin == "pods":
        pods = spec.layers["network"].options.get("pods")
        return (str(pods),) if pods else ()
    if origin == "ssh":
        return spec.access.ssh
    if spec.control_plane.load_balancer != OCTAVIA:
        return spec.access.api
    # Octavia's servers are in the nodes' network; the listener restricts their clients. OVN has no
    # servers: packets keep the addresses of clients, and only its monitor is in that network.
    clients = spec.access.api if spec.control_plane.octavia.provider == OVN else ()
    return (str(spec.cloud.nodes), *clients)
