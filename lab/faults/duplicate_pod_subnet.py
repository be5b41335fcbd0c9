# SPDX-License-Identifier: Apache-2.0
"""A worker has a second lease, of the upper half of another node's subnet.

etcd gives one key once, so two nodes share addresses only if their subnets differ in length, or
come of two plans. The half is one from which nobody takes addresses on these nodes: what is wrong
is the plan, not yet a pod.
"""

from lab.faults._leases import delete, lease_of, leases, put
from lab.trial.scene import Scene, Victims, hit

KIND = "real"
COMPANIONS = {
    "test_node_has_one_lease": "the worker has two",
    "test_subnet_env_is_the_lease": "the worker's first lease in etcd may be the wrong one",
    "test_lease_is_renewed": "the second lease has no end",
    "test_node_knows_the_way": "the worker's first lease in etcd may be the wrong one",
}


def inject(scene: Scene) -> Victims:
    """Lease the half to the worker."""
    other = scene.control[0]
    key, _ = lease_of(scene, other)
    _, mine = lease_of(scene, scene.victim)
    put(scene, half_of(key), mine)
    return hit(scene.victim, other)


def half_of(key: str) -> str:
    """The key of the upper half of a /24."""
    return key.removesuffix(".0-24") + ".128-25"


def heal(scene: Scene) -> None:
    """Take every such lease away; the nodes forget the way by themselves."""
    for key in leases(scene):
        if key.endswith(".128-25"):
            delete(scene, key)
