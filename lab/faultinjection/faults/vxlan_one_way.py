# SPDX-License-Identifier: Apache-2.0
"""One worker drops the VXLAN packets that come from one other node; all other ways are whole.

A security group cannot do this, a firewall on the node or between the racks can. It is a rule on
the worker here.
"""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared
from lab.harness.cluster import Node

KIND = "real"
SAYS = ("8472",)
COMPANIONS = _shared.COMPANIONS
UNASKED = _shared.UNASKED


def other(context: Context) -> Node:
    """The node whose packets are dropped."""
    return context.workers[-1] if len(context.workers) > 1 else context.control[0]


def inject(context: Context) -> Victims:
    """Drop what comes from that node."""
    source = other(context)
    _shared.add_rule(context.victim, f"INPUT -s {source.address} -p udp --dport 8472 -j DROP")
    return hit(context.victim, source)


def heal(context: Context) -> None:
    """Take the rule away."""
    _shared.drop_rules([context.victim], context)
