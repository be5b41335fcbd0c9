# SPDX-License-Identifier: Apache-2.0
"""A worker's interface has a greater MTU than the cloud's network; flannel took it over.

Its pods send frames of 50 bytes too much, and nobody tells them: the cloud drops the packets.
"""

from lab.faultinjection.context import Context, Victims, hit

KIND = "real"
SAYS = ("MTU",)
COMPANIONS = {
    "test_bridge_has_the_subnet": "cni0 is not made anew",
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
    """Raise it, and have the pods that come get it."""
    context.keep("mtu", int(context.victim.run("cat /sys/class/net/eth0/mtu")))
    context.victim.run(SCRIPT.format(sign="+", more=MORE))
    return hit(context.victim)


def heal(context: Context) -> None:
    """Lower it to what it was."""
    mtu = context.kept("mtu")
    if mtu and int(context.victim.run("cat /sys/class/net/eth0/mtu")) > mtu:
        context.victim.run(SCRIPT.format(sign="-", more=MORE))
