# SPDX-License-Identifier: Apache-2.0
"""A worker's kubelet is stopped; after forty seconds the cluster gives its node up."""

from lab.faultinjection.context import Context, Victims, hit
from lab.faultinjection.faults import _shared

KIND = "real"
SAYS = ("kubelet",)
COMPANIONS: dict[str, str] = {}
UNASKED = "nothing starts on a node without a kubelet, so it cannot be asked"


def inject(context: Context) -> Victims:
    """Stop it, and wait until its node is not Ready."""
    context.victim.run("systemctl stop kubelet")
    _shared.await_not_ready(context, 90)
    return hit(context.victim)


def heal(context: Context) -> None:
    """Start it."""
    context.victim.run("systemctl start kubelet")
