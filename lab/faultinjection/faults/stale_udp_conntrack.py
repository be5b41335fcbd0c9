# SPDX-License-Identifier: Apache-2.0
"""A worker keeps sending UDP packets to the first backend, after the Service has removed it.

Current versions of kube-proxy delete such conntrack entries. A rule simulates the entries that old
versions left: each flow to port 8081 of a Service is pinned to its first backend.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared

KIND = "effect"
MESSAGE_CONTAINS = ("conntrack",)
COMPANIONS: dict[str, str] = {}

PORT = 8081
SCRIPT = f"""
declare -A seen
while :; do
    while read -r from to port pod; do
        [ "$to" != "$pod" ] && [ -z "${{seen[$from:$port:$to]}}" ] || continue
        seen[$from:$port:$to]=1
        iptables -w -t nat -I PREROUTING -s $from -d $to -p udp --sport $port --dport {PORT} \\
            {_shared.COMMENT} -j DNAT --to-destination $pod:{PORT}
    done < <(grep " udp .* src=[^ ]* dst=[^ ]* sport=[^ ]* dport={PORT} .*src=" \\
            /proc/net/nf_conntrack |
        tr " " "\\n" | sed -n "s/^\\(src\\|dst\\|sport\\)=//p" | xargs -n 6 |
        while read -r a b c d e f; do echo "$a $b $c $d"; done)
    sleep 0.1
done
"""


def inject(context: Context) -> Victims:
    """Watch the worker's flows, and pin each to its backend."""
    _shared.background(context.victim, SCRIPT)
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Stop watching, and delete the rules."""
    _shared.stop_background(context.victim)
    _shared.drop_rules([context.victim], context, "nat")
