# SPDX-License-Identifier: Apache-2.0
"""etcd is stopped on one of three servers; the other two are a quorum."""

from lab.trial.scene import Scene, Victims, hit

KIND = "real"
NEEDS = "quorum"
SAYS = ("no such process",)
COMPANIONS = {
    "test_api_server_answers": "that server's kube-apiserver reads and writes by its own member",
    "test_api_service_leads_to_every_server": "so it is no endpoint of the service any more",
    "test_service_name_resolves": "a replica of DNS that watches that server hears of nothing new",
    "test_headless_service_names_its_pods": "as above",
}
UNASKED = "a member that does not run can be asked nothing (see test_member_runs)"


def inject(scene: Scene) -> Victims:
    """Stop the last server's member."""
    node = scene.control[-1]
    node.run("systemctl stop etcd")
    return hit(node)


def heal(scene: Scene) -> None:
    """Start it; that waits until it is ready."""
    scene.control[-1].run("systemctl start etcd")
