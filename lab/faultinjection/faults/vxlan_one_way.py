# SPDX-License-Identifier: Apache-2.0
"""One worker drops the VXLAN packets from one other node; all other paths work.

A security group cannot cause this, but a firewall on the node or between racks can. Here it is a
rule on the worker.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared
from lab.harness.cluster import Node

KIND = "real"
MESSAGE_CONTAINS = ("8472",)
COMPANIONS = _shared.COMPANIONS
INCONCLUSIVE = _shared.INCONCLUSIVE


def other(context: Context) -> Node:
    """Return the node whose packets are dropped."""
    return context.workers[-1] if len(context.workers) > 1 else context.control[0]


def inject(context: Context) -> Victims:
    """Drop the packets from that node."""
    source = other(context)
    _shared.add_rule(context.victim, f"INPUT -s {source.address} -p udp --dport 8472 -j DROP")
    return Victims.of(context.victim, source)


def heal(context: Context) -> None:
    """Delete the rule."""
    _shared.drop_rules([context.victim], context)
