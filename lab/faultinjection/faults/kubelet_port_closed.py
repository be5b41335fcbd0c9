# SPDX-License-Identifier: Apache-2.0
"""A worker drops TCP 10250 from other machines, as a security group without the rule would.

The node stays Ready: its kubelet calls the API, and not the other way round.
"""

from lab.faultinjection.context import Context, Victims, hit

KIND = "effect"
SAYS = ("10250",)
COMPANIONS: dict[str, str] = {}
UNASKED = "the node's probe is asked by exec, which goes by that port"

RULE = "INPUT ! -i lo -p tcp --dport 10250 -m comment --comment heatgen-fault -j DROP"


def inject(context: Context) -> Victims:
    """Drop what comes to the kubelet of one worker, also on connections that are there."""
    context.victim.run(f"iptables -w -I {RULE}")
    return hit(context.victim)


def heal(context: Context) -> None:
    """Take the rule away, however often it is there."""
    context.victim.run(f"while iptables -w -D {RULE} 2>/dev/null; do :; done")
