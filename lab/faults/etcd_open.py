# SPDX-License-Identifier: Apache-2.0
"""A member answers over plain HTTP, at its usual port and at one that nobody planned."""

from lab.trial import members
from lab.trial.scene import Scene, Victims, hit

KIND = "real"
SAYS = ("plain HTTP", "2479")
COMPANIONS: dict[str, str] = {}


def inject(scene: Scene) -> Victims:
    """Have the last server's member listen there, too."""
    node = scene.control[-1]
    at = node.address
    urls = f"https://127.0.0.1:2379,https://{at}:2379,http://{at}:2379,http://{at}:2479"
    members.change(node, {"ETCD_LISTEN_CLIENT_URLS": urls})
    members.settle(scene)
    return hit(node)


def heal(scene: Scene) -> None:
    """Let it listen as it was made."""
    members.restore(scene.control[-1])
