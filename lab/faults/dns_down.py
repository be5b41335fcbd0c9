# SPDX-License-Identifier: Apache-2.0
"""CoreDNS is scaled to nothing: the cluster's DNS has its address, and nobody behind it."""

from lab.trial.scene import NOBODY, Scene, Victims
from tests.lab.cluster import COREDNS

KIND = "real"
SAYS = ("kube-dns",)
COMPANIONS = {
    "test_no_replica_of_dns_is_late": "there is no replica to be asked",
    "test_headless_service_names_its_pods": "nobody resolves its name",
    "test_dns_*": "there is no replica",
    "test_cluster_dns_*": "there is no replica",
}


def inject(scene: Scene) -> Victims:
    """Scale it down, and wait until its pods have gone."""
    told = scene.ask("get", *COREDNS)
    scene.keep("replicas", told["spec"]["replicas"])
    scene.kubectl("scale", *COREDNS, "--replicas", "0")
    pods = ("get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")
    scene.wait_for("no CoreDNS", 60, lambda: not scene.ask(*pods)["items"])
    return NOBODY


def heal(scene: Scene) -> None:
    """Scale it to what it was, and wait until it answers."""
    scene.kubectl("scale", *COREDNS, "--replicas", str(scene.kept("replicas") or 2))
    scene.kubectl("rollout", "status", *COREDNS, "--timeout", "10s", check=False)
