# SPDX-License-Identifier: Apache-2.0
"""Packets of a worker to pods of other nodes arrive 300 ms late.

The queueing discipline netem of the worker's own kernel delays them at flannel.1. The kernel of the
machine, which the containers of the lab share, has no netem.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared

KIND = "real"
NEEDS = "kernel"
LATE = "packets over the slow path are delayed until the request times out"
COMPANIONS = {
    "test_pod_throughput_is_close_to_that_of_hosts": "TCP is slow if round trips are long"
}
INCONCLUSIVE = LATE


def inject(context: Context) -> Victims:
    """Delay packets at flannel.1."""
    _shared.degrade(context.machine, "delay 300ms")
    return Victims.of(context.machine)


def heal(context: Context) -> None:
    """Remove the queueing discipline."""
    _shared.restore_quality(context.machine)
