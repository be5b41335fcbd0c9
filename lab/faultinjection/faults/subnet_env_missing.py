# SPDX-License-Identifier: Apache-2.0
"""A worker's flanneld has not reached etcd since boot, so subnet.env is missing.

The previous CNI configuration remains, so pods still get a network; without it the node would not
be Ready, and no probe pod would run there.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared

KIND = "real"
MESSAGE_CONTAINS = ("subnet.env", "cannot reach etcd")
COMPANIONS = {
    "test_bridge_has_the_gateway_address": "that file contains the expected address of the bridge",
    "test_pods_have_addresses_of_the_subnet": "that file contains the expected subnet of pods",
    "test_units_are_active": "flanneld restarts repeatedly",
    "test_docker0_uses_the_lease": "that file contains the expected address of Docker's bridge",
}

RIGHT, WRONG = ":2379", ":2377"


def inject(context: Context) -> Victims:
    """Configure flanneld with a closed etcd port, and delete the file."""
    endpoints = f"/^FLANNELD_ETCD_ENDPOINTS=/s/{RIGHT}/{WRONG}/g"
    context.victim.run(
        f"sed -i '{endpoints}' {_shared.FLANNEL_ENV}; "
        "systemctl restart --no-block flanneld; sleep 2; rm -f /run/flannel/subnet.env"
    )
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Restore the etcd port."""
    endpoints = f"/^FLANNELD_ETCD_ENDPOINTS=/s/{WRONG}/{RIGHT}/g"
    context.victim.run(f"sed -i '{endpoints}' {_shared.FLANNEL_ENV}; systemctl restart flanneld")
