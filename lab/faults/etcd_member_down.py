# SPDX-License-Identifier: Apache-2.0
"""etcd is stopped on one of three servers; the other two are a quorum."""

from lab.trial.scene import Scene, Victims, hit

KIND = "real"
NEEDS = "quorum"
COMPANIONS: dict[str, str] = {}


def inject(scene: Scene) -> Victims:
    """Stop the last server's member."""
    node = scene.control[-1]
    node.run("systemctl stop etcd")
    return hit(node)


def heal(scene: Scene) -> None:
    """Start it; that waits until it is ready."""
    scene.control[-1].run("systemctl start etcd")
