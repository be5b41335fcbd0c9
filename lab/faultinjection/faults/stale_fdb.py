# SPDX-License-Identifier: Apache-2.0
"""A worker sends frames for another node's pods to a MAC that this node's flannel.1 had once.

So it stands where a node came back with a new flannel.1 and this worker's flanneld missed it.
"""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared

KIND = "real"
COMPANIONS = _shared.COMPANIONS | _shared.HOSTS
UNASKED = _shared.UNASKED

GONE = "0e:00:00:00:00:99"


def inject(context: Context) -> Victims:
    """Swap the MAC in the worker's forwarding and neighbour tables."""
    other = context.workers[-1] if len(context.workers) > 1 else context.control[0]
    # MACs of before are left in the table; the neighbour's is the one that counts.
    context.victim.run(
        "table=$(bridge fdb show dev flannel.1); "
        f"for mac in $(sed -n 's/ dst {other.address} .*//p' <<<\"$table\"); do "
        "vtep=$(ip neighbour show dev flannel.1 | grep \"lladdr $mac\" | cut -d' ' -f1); "
        '[ -z "$vtep" ] || break; done; '
        f"bridge fdb del $mac dev flannel.1 dst {other.address}; "
        f"bridge fdb add {GONE} dev flannel.1 dst {other.address}; "
        f"ip neighbour replace $vtep lladdr {GONE} dev flannel.1 nud permanent"
    )
    return hit(context.victim, other)


def heal(context: Context) -> None:
    """Take it away; flanneld writes all entries anew when it starts."""
    context.victim.run(
        f"bridge fdb show dev flannel.1 | sed -n 's/^{GONE} dst \\([0-9.]*\\).*/\\1/p' | "
        f"while read -r to; do bridge fdb del {GONE} dev flannel.1 dst $to; done; "
        "systemctl restart flanneld"
    )
