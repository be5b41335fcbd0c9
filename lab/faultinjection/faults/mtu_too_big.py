# SPDX-License-Identifier: Apache-2.0
"""A worker's interface has a larger MTU than the cloud's network, and flannel uses it.

Frames of its pods are 50 bytes too large, and the cloud silently drops these packets.
"""

from lab.faultinjection.context import Context, Victims

KIND = "real"
MESSAGE_CONTAINS = ("MTU",)
COMPANIONS = {
    "test_bridge_has_the_gateway_address": "cni0 is not recreated",
}

MORE = 50
SCRIPT = """
eth0=$(($(cat /sys/class/net/eth0/mtu) {sign} {more}))
ip link set eth0 mtu $eth0
ip link set flannel.1 mtu $((eth0 - 50))
sed -i "s/^FLANNEL_MTU=.*/FLANNEL_MTU=$((eth0 - 50))/" /run/flannel/subnet.env
/opt/heatgen/lib/flannel-cni
"""


def inject(context: Context) -> Victims:
    """Raise the MTU, also for new pods."""
    context.save("mtu", int(context.victim.run("cat /sys/class/net/eth0/mtu")))
    context.victim.run(SCRIPT.format(sign="+", more=MORE))
    return Victims.of(context.victim)


def heal(context: Context) -> None:
    """Restore the MTU."""
    mtu = context.saved("mtu")
    if mtu and int(context.victim.run("cat /sys/class/net/eth0/mtu")) > mtu:
        context.victim.run(SCRIPT.format(sign="-", more=MORE))
