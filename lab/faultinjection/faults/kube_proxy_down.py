# SPDX-License-Identifier: Apache-2.0
"""kube-proxy is stopped on a worker; its rules remain, so existing Services still work."""

from lab.faultinjection.context import Context, Victims

KIND = "real"
FEW = True
COMPANIONS = {
    "test_endpoints_follow_a_scale_up_and_down": "its client may run on that node",
}
INCONCLUSIVE = "a UDP client on that node never gets a first response"


def inject(context: Context) -> Victims:
    """Stop it on one worker."""
    context.victim.run("systemctl stop kube-proxy")
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Start it."""
    context.victim.run("systemctl start kube-proxy")
