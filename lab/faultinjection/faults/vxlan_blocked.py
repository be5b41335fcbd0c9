# SPDX-License-Identifier: Apache-2.0
"""Every node drops incoming VXLAN packets, like a security group without the rule.

If the rule of the real security group were deleted, the connection tracking of the cloud would
still pass existing flows; a rule on the nodes drops all packets at once.
"""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims
from lab.faultinjection.faults import _shared

KIND = "effect"
FEW = True
MESSAGE_CONTAINS = ("8472",)
COMPANIONS = _shared.COMPANIONS
INCONCLUSIVE = _shared.INCONCLUSIVE

RULE = "INPUT -p udp --dport 8472 -m comment --comment heatgen-fault -j DROP"


def inject(context: Context) -> Victims:
    """Drop UDP 8472 on every node; the fault affects the whole cluster."""
    context.run_on(context.nodes, f"iptables -w -I {RULE}")
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Delete the rule, with duplicates."""
    context.run_on(context.nodes, f"while iptables -w -D {RULE} 2>/dev/null; do :; done")
