# SPDX-License-Identifier: Apache-2.0
"""etcd is stopped on two of three servers: nobody can write, and the API waits for its store."""

from lab.trial.scene import NOBODY, Scene, Victims

KIND = "real"
NEEDS = "quorum"
SAYS = ("etcd",)
COMPANIONS = {
    "test_leader_is_alive": "a leader whose store takes nothing cannot renew its lease",
    "test_node_lease_is_fresh": "nor can a kubelet",
}
UNASKED = "nothing can be made in the cluster, so no node can be asked"
GREEN_SECONDS = 180.0


def inject(scene: Scene) -> Victims:
    """Stop the members of all servers but the first."""
    scene.on(scene.control[1:], "systemctl stop etcd")
    return NOBODY


def heal(scene: Scene) -> None:
    """Start them, together: each waits for the other."""
    scene.on(scene.control[1:], "systemctl start etcd")
