# SPDX-License-Identifier: Apache-2.0
"""CoreDNS is scaled to zero: the Service of the cluster DNS has no endpoints."""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims
from lab.harness.cluster import COREDNS

KIND = "real"
MESSAGE_CONTAINS = ("kube-dns",)
COMPANIONS = {
    "test_every_dns_replica_answers_in_time": "no replica exists",
    "test_headless_service_names_its_pods": "its name cannot be resolved",
    "test_dns_*": "no replica exists",
    "test_cluster_dns_*": "no replica exists",
}


def inject(context: Context) -> Victims:
    """Scale it down, and wait until its pods are deleted."""
    deployment = context.kubectl_json("get", *COREDNS)
    context.save("replicas", deployment["spec"]["replicas"])
    context.kubectl("scale", *COREDNS, "--replicas", "0")
    pods = ("get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")
    context.wait_for(
        "deletion of the CoreDNS pods", 60, lambda: not context.kubectl_json(*pods)["items"]
    )
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Restore the number of replicas, and wait for the rollout."""
    context.kubectl("scale", *COREDNS, "--replicas", str(context.saved("replicas") or 2))
    context.kubectl("rollout", "status", *COREDNS, "--timeout", "10s", check=False)
