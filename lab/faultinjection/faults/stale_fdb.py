# SPDX-License-Identifier: Apache-2.0
"""A worker sends frames for another node's pods to an outdated MAC of that node's flannel.1.

This happens if a node came back with a new flannel.1 and this worker's flanneld missed the event.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared

KIND = "real"
COMPANIONS = _shared.COMPANIONS | _shared.HOSTS
INCONCLUSIVE = _shared.INCONCLUSIVE

OLD_MAC = "0e:00:00:00:00:99"


def inject(context: Context) -> Victims:
    """Replace the MAC in the worker's FDB and neighbour table."""
    other = context.workers[-1] if len(context.workers) > 1 else context.control[0]
    # The FDB may contain older MACs; the one in the neighbour table is in use.
    context.victim.run(
        "table=$(bridge fdb show dev flannel.1); "
        f"for mac in $(sed -n 's/ dst {other.address} .*//p' <<<\"$table\"); do "
        "vtep=$(ip neighbour show dev flannel.1 | grep \"lladdr $mac\" | cut -d' ' -f1); "
        '[ -z "$vtep" ] || break; done; '
        f"bridge fdb del $mac dev flannel.1 dst {other.address}; "
        f"bridge fdb add {OLD_MAC} dev flannel.1 dst {other.address}; "
        f"ip neighbour replace $vtep lladdr {OLD_MAC} dev flannel.1 nud permanent"
    )
    return Victims.of(context.victim, other)


def heal(context: Context) -> None:
    """Delete the MAC, and restart flanneld, which writes all entries again."""
    context.victim.run(
        f"bridge fdb show dev flannel.1 | sed -n 's/^{OLD_MAC} dst \\([0-9.]*\\).*/\\1/p' | "
        f"while read -r to; do bridge fdb del {OLD_MAC} dev flannel.1 dst $to; done; "
        "systemctl restart flanneld"
    )
