# SPDX-License-Identifier: Apache-2.0
"""A worker's CNI configuration lacks hairpinMode: new pods cannot reach themselves by a Service."""

from lab.faultinjection.context import Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("hairpin",)
SELF = "the selected backend may be the client pod itself"
COMPANIONS = {
    "test_cluster_ip_answers_in_pods": SELF,
    "test_service_answers_every_request": SELF,
    "test_session_affinity_is_honoured": SELF,
}

FILE = "/etc/cni/net.d/10-flannel.conflist"


def inject(context: Context) -> Victims:
    """Disable it for new pods."""
    context.victim.run(f'sed -i \'s/"hairpinMode":true/"hairpinMode":false/\' {FILE}')
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Enable it, also for pods created in the meantime."""
    context.victim.run(
        f'sed -i \'s/"hairpinMode":false/"hairpinMode":true/\' {FILE}; '
        "for port in /sys/class/net/cni0/brif/*; do "
        "bridge link set dev ${port##*/} hairpin on || true; done"
    )
