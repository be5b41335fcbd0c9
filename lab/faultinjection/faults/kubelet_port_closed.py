# SPDX-License-Identifier: Apache-2.0
"""A worker drops TCP 10250 from other machines, like a security group without the rule.

The node stays Ready, because the kubelet connects to the API server, not vice versa.
"""

from lab.faultinjection.context import Context, Victims

KIND = "effect"
MESSAGE_CONTAINS = ("10250",)
COMPANIONS: dict[str, str] = {}
INCONCLUSIVE = "exec into the node's probe pod uses that port"

RULE = "INPUT ! -i lo -p tcp --dport 10250 -m comment --comment heatgen-fault -j DROP"


def inject(context: Context) -> Victims:
    """Drop packets to the kubelet of one worker, also on existing connections."""
    context.victim.run(f"iptables -w -I {RULE}")
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Delete the rule, with duplicates."""
    context.victim.run(f"while iptables -w -D {RULE} 2>/dev/null; do :; done")
