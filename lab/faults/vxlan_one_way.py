# SPDX-License-Identifier: Apache-2.0
"""One worker drops the VXLAN packets that come from one other node; all other ways are whole.

A security group cannot do this, a firewall on the node or between the racks can. It is a rule on
the worker here.
"""

from lab.faults import _ways
from lab.trial.scene import Scene, Victims, hit
from tests.lab.cluster import Node

KIND = "real"
SAYS = ("8472",)
COMPANIONS = _ways.COMPANIONS
UNASKED = _ways.UNASKED


def other(scene: Scene) -> Node:
    """The node whose packets are dropped."""
    return scene.workers[-1] if len(scene.workers) > 1 else scene.control[0]


def inject(scene: Scene) -> Victims:
    """Drop what comes from that node."""
    source = other(scene)
    _ways.add_rule(scene.victim, f"INPUT -s {source.address} -p udp --dport 8472 -j DROP")
    return hit(scene.victim, source)


def heal(scene: Scene) -> None:
    """Take the rule away."""
    _ways.drop_rules([scene.victim], scene)
