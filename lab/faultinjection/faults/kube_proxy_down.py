# SPDX-License-Identifier: Apache-2.0
"""kube-proxy is stopped on a worker; its rules stay, so whatever is old goes on to work."""

from lab.faultinjection.context import Context, Victims, hit

KIND = "real"
FEW = True
COMPANIONS = {
    "test_endpoints_follow_a_scale_up_and_down": "it may ask on that very node",
}
UNASKED = "a client by UDP on that node has no answer to begin with"


def inject(context: Context) -> Victims:
    """Stop it on one worker."""
    context.victim.run("systemctl stop kube-proxy")
    return hit(context.victim)


def heal(context: Context) -> None:
    """Start it."""
    context.victim.run("systemctl start kube-proxy")
