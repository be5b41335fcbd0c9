# SPDX-License-Identifier: Apache-2.0
"""A worker loses a third of the packets that it sends to pods of other nodes.

The queueing discipline netem of the worker's own kernel drops them at flannel.1. The kernel of the
machine, which the containers of the lab share, has no netem.
"""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared

KIND = "real"
NEEDS = "kernel"
MESSAGE_CONTAINS = ("loses packets",)
COMPANIONS = _shared.COMPANIONS | {
    "test_full_frames_pass": "full frames are lost as well",
    "test_pod_addresses_are_not_translated": "a request over the lossy path times out",
    "test_pod_throughput_is_close_to_that_of_hosts": "TCP is slow if packets are lost",
}
INCONCLUSIVE = _shared.INCONCLUSIVE


def inject(context: Context) -> Victims:
    """Drop packets at flannel.1."""
    _shared.degrade(context.machine, "loss 33%")
    return Victims.of(context.machine)


def heal(context: Context) -> None:
    """Remove the queueing discipline."""
    _shared.restore_quality(context.machine)
