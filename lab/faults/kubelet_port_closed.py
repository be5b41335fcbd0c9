# SPDX-License-Identifier: Apache-2.0
"""A worker drops TCP 10250 from other machines, as a security group without the rule would.

The node stays Ready: its kubelet calls the API, and not the other way round.
"""

from lab.trial.scene import Scene, Victims, hit

KIND = "effect"
SAYS = ("10250",)
COMPANIONS: dict[str, str] = {}
UNASKED = "the node's probe is asked by exec, which goes by that port"

RULE = "INPUT ! -i lo -p tcp --dport 10250 -m comment --comment heatgen-fault -j DROP"


def inject(scene: Scene) -> Victims:
    """Drop what comes to the kubelet of one worker, also on connections that are there."""
    scene.victim.run(f"iptables -w -I {RULE}")
    return hit(scene.victim)


def heal(scene: Scene) -> None:
    """Take the rule away, however often it is there."""
    scene.victim.run(f"while iptables -w -D {RULE} 2>/dev/null; do :; done")
