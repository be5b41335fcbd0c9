# SPDX-License-Identifier: Apache-2.0
"""Every node drops the VXLAN packets that come in, as a security group without the rule would.

A rule taken out of a real security group would let flows pass that the cloud's connection tracking
knows already; a rule on the nodes drops all of them at once.
"""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims
from lab.faultinjection.faults import _shared

KIND = "effect"
FEW = True
SAYS = ("8472",)
COMPANIONS = _shared.COMPANIONS
UNASKED = _shared.UNASKED

RULE = "INPUT -p udp --dport 8472 -m comment --comment heatgen-fault -j DROP"


def inject(context: Context) -> Victims:
    """Drop UDP 8472 on every node; the fault is the whole cluster's."""
    context.on(context.nodes, f"iptables -w -I {RULE}")
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Take the rule away, however often it is there."""
    context.on(context.nodes, f"while iptables -w -D {RULE} 2>/dev/null; do :; done")
