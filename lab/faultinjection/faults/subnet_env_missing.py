# SPDX-License-Identifier: Apache-2.0
"""A worker's flanneld has never reached etcd since the boot: there is no subnet.env.

The CNI configuration of before is left, so pods still get a network; without it the node would not
be Ready, and its own pods could not be asked.
"""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared

KIND = "real"
SAYS = ("subnet.env", "cannot reach etcd")
COMPANIONS = {
    "test_bridge_has_the_subnet": "what the bridge should have is told by that file",
    "test_pods_have_addresses_of_the_subnet": "what pods should have is told by that file",
    "test_units_are_active": "flanneld starts again and again",
    "test_docker_shares_the_lease": "what Docker's bridge should have is told by that file",
}

RIGHT, WRONG = ":2379", ":2377"


def inject(context: Context) -> Victims:
    """Send flanneld to a port where nobody is, and remove the file."""
    endpoints = f"/^FLANNELD_ETCD_ENDPOINTS=/s/{RIGHT}/{WRONG}/g"
    context.victim.run(
        f"sed -i '{endpoints}' {_shared.FLANNEL_ENV}; "
        "systemctl restart --no-block flanneld; sleep 2; rm -f /run/flannel/subnet.env"
    )
    return hit(context.victim)


def heal(context: Context) -> None:
    """Send it to etcd."""
    endpoints = f"/^FLANNELD_ETCD_ENDPOINTS=/s/{WRONG}/{RIGHT}/g"
    context.victim.run(f"sed -i '{endpoints}' {_shared.FLANNEL_ENV}; systemctl restart flanneld")
