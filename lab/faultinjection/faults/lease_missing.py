# SPDX-License-Identifier: Apache-2.0
"""A worker's lease is gone from etcd while the node is Ready.

Its flanneld hangs (it is stopped by a signal, so its unit counts as active) and renews nothing; the
other nodes forget the way to it.
"""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared
from lab.faultinjection.faults._leases import delete, lease_of

KIND = "real"
SAYS = ("lease",)
COMPANIONS = (
    _shared.COMPANIONS
    | _shared.HOSTS
    | {
        "test_pod_reaches_pod": "the others have no route to the node's pods any more",
    }
)
UNASKED = _shared.UNASKED


def inject(context: Context) -> Victims:
    """Stop flanneld where it stands, then take its lease."""
    key, _ = lease_of(context, context.victim)
    context.victim.run("pkill -STOP -x flanneld")
    delete(context, key)
    return hit(context.victim)


def heal(context: Context) -> None:
    """Start flanneld anew; it leases the subnet that it had."""
    context.victim.run("pkill -CONT -x flanneld; systemctl restart flanneld")
