# SPDX-License-Identifier: Apache-2.0
"""On a worker, UDP goes on to the pod that answered first, though the service left it.

kube-proxy of today forgets such flows, as it should. So a rule takes the place of what old ones
left in conntrack: each flow to a service's port 8081, once seen, is sent where it went at first.
"""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared

KIND = "effect"
SAYS = ("conntrack",)
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
    done < <(conntrack -L -p udp --orig-port-dst {PORT} 2>/dev/null |
        tr " " "\\n" | sed -n "s/^\\(src\\|dst\\|sport\\)=//p" | xargs -n 6 |
        while read -r a b c d e f; do echo "$a $b $c $d"; done)
    sleep 0.1
done
"""


def inject(context: Context) -> Victims:
    """Watch the worker's flows, and pin them."""
    _shared.background(context.victim, SCRIPT)
    return hit(context.victim)


def heal(context: Context) -> None:
    """Let them go."""
    _shared.stop_background(context.victim)
    _shared.drop_rules([context.victim], context, "nat")
