# SPDX-License-Identifier: Apache-2.0
"""A worker's chain FORWARD drops by policy, as Docker sets it, and flanneld makes no rules."""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared

KIND = "real"
SAYS = ("FORWARD",)
ROUTED = "a packet to a service is forwarded"
COMPANIONS = (
    _shared.COMPANIONS
    | _shared.HOSTS
    | {
        "test_node_port_keeps_the_client_s_address": ROUTED,
        "test_pod_reaches_itself_by_its_service": ROUTED,
        "test_service_on_the_same_node_answers": ROUTED,
    }
)
UNASKED = _shared.UNASKED

OFF = "FLANNELD_IPTABLES_FORWARD_RULES=false"


def inject(context: Context) -> Victims:
    """Restart flanneld without its rules, take away those that are there, set the policy."""
    context.victim.run(
        f"grep -q {OFF} {_shared.FLANNEL_ENV} || echo {OFF} >>{_shared.FLANNEL_ENV}; "
        "systemctl restart flanneld; "
        "while iptables -w -S FORWARD | grep -- '-j FLANNEL-FWD' | sed 's/^-A/-D/' | head -n 1 | "
        'grep . >/tmp/rule; do eval "iptables -w $(cat /tmp/rule)"; done; '
        "iptables -w -P FORWARD DROP"
    )
    return hit(context.victim)


def heal(context: Context) -> None:
    """Let flanneld make its rules again."""
    context.victim.run(
        f"sed -i /^{OFF}$/d {_shared.FLANNEL_ENV}; iptables -w -P FORWARD ACCEPT; "
        "systemctl restart flanneld"
    )
