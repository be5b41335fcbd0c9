# SPDX-License-Identifier: Apache-2.0
"""A worker's lease is missing in etcd while the node is Ready.

Its flanneld is stopped by SIGSTOP, so that its unit stays active but the lease is not renewed; the
other nodes delete the route to it.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared
from lab.faultinjection.faults._leases import delete, lease_of

KIND = "real"
MESSAGE_CONTAINS = ("lease",)
COMPANIONS = (
    _shared.COMPANIONS
    | _shared.HOSTS
    | {
        "test_pod_reaches_pod": "other nodes have no route to the node's pods",
    }
)
INCONCLUSIVE = _shared.INCONCLUSIVE


def inject(context: Context) -> Victims:
    """Send SIGSTOP to flanneld, then delete its lease."""
    key, _ = lease_of(context, context.victim)
    context.victim.run("pkill -STOP -x flanneld")
    delete(context, key)
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Restart flanneld; it leases its previous subnet again."""
    context.victim.run("pkill -CONT -x flanneld; systemctl restart flanneld")
