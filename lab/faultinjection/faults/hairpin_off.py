# SPDX-License-Identifier: Apache-2.0
"""A worker's CNI configuration lacks hairpinMode: new pods cannot reach themselves by a service."""

from lab.faultinjection.context import Context, Victims, hit

KIND = "real"
SAYS = ("hairpin",)
SELF = "the pod that is chosen may be the asking one itself"
COMPANIONS = {
    "test_cluster_ip_answers_in_pods": SELF,
    "test_no_request_fails": SELF,
    "test_client_keeps_its_pod": SELF,
}

FILE = "/etc/cni/net.d/10-flannel.conflist"


def inject(context: Context) -> Victims:
    """Turn it off for the pods that come."""
    context.victim.run(f'sed -i \'s/"hairpinMode":true/"hairpinMode":false/\' {FILE}')
    return hit(context.victim)


def heal(context: Context) -> None:
    """Turn it on, also for pods that came meanwhile."""
    context.victim.run(
        f'sed -i \'s/"hairpinMode":false/"hairpinMode":true/\' {FILE}; '
        "for port in /sys/class/net/cni0/brif/*; do "
        "bridge link set dev ${port##*/} hairpin on || true; done"
    )
