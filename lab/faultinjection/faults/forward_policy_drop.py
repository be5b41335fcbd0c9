# SPDX-License-Identifier: Apache-2.0
"""The policy of a worker's FORWARD chain is DROP, as Docker sets it, without flanneld's rules."""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared

KIND = "real"
MESSAGE_CONTAINS = ("FORWARD",)
ROUTED = "a packet to a service is forwarded"
COMPANIONS = (
    _shared.COMPANIONS
    | _shared.HOSTS
    | {
        "test_node_port_preserves_the_client_address": ROUTED,
        "test_pod_reaches_itself_by_its_service": ROUTED,
        "test_service_on_the_same_node_answers": ROUTED,
    }
)
INCONCLUSIVE = _shared.INCONCLUSIVE

OFF = "FLANNELD_IPTABLES_FORWARD_RULES=false"


def inject(context: Context) -> Victims:
    """Restart flanneld without its rules, delete the existing ones, and set the policy."""
    context.victim.run(
        f"grep -q {OFF} {_shared.FLANNEL_ENV} || echo {OFF} >>{_shared.FLANNEL_ENV}; "
        "systemctl restart flanneld; "
        "while iptables -w -S FORWARD | grep -- '-j FLANNEL-FWD' | sed 's/^-A/-D/' | head -n 1 | "
        'grep . >/tmp/rule; do eval "iptables -w $(cat /tmp/rule)"; done; '
        "iptables -w -P FORWARD DROP"
    )
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Restore the policy, and let flanneld create its rules."""
    context.victim.run(
        f"sed -i /^{OFF}$/d {_shared.FLANNEL_ENV}; iptables -w -P FORWARD ACCEPT; "
        "systemctl restart flanneld"
    )
