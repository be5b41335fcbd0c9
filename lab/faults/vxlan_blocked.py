# SPDX-License-Identifier: Apache-2.0
"""Every node drops the VXLAN packets that come in, as a security group without the rule would.

A rule taken out of a real security group would let flows pass that the cloud's connection tracking
knows already; a rule on the nodes drops all of them at once.
"""

from lab.faults import _ways
from lab.trial.scene import NOBODY, Scene, Victims

KIND = "effect"
FEW = True
SAYS = ("8472",)
COMPANIONS = _ways.COMPANIONS
UNASKED = _ways.UNASKED

RULE = "INPUT -p udp --dport 8472 -m comment --comment heatgen-fault -j DROP"


def inject(scene: Scene) -> Victims:
    """Drop UDP 8472 on every node; the fault is the whole cluster's."""
    scene.on(scene.nodes, f"iptables -w -I {RULE}")
    return NOBODY


def heal(scene: Scene) -> None:
    """Take the rule away, however often it is there."""
    scene.on(scene.nodes, f"while iptables -w -D {RULE} 2>/dev/null; do :; done")
