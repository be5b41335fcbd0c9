# SPDX-License-Identifier: Apache-2.0
"""A worker's kubelet is stopped; after 40 seconds its node becomes NotReady."""

from lab.faultinjection.context import Context, Victims
from lab.faultinjection.faults import _shared

KIND = "real"
MESSAGE_CONTAINS = ("kubelet",)
COMPANIONS: dict[str, str] = {}
INCONCLUSIVE = "no probe pod starts on a node without a kubelet"


def inject(context: Context) -> Victims:
    """Stop it, and wait until its node is not Ready."""
    context.victim.run("systemctl stop kubelet")
    _shared.await_not_ready(context, 90)
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Start it."""
    context.victim.run("systemctl start kubelet")
