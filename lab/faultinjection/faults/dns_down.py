# SPDX-License-Identifier: Apache-2.0
"""CoreDNS is scaled to nothing: the cluster's DNS has its address, and nobody behind it."""

from lab.faultinjection.context import WHOLE_CLUSTER, Context, Victims
from lab.harness.cluster import COREDNS

KIND = "real"
SAYS = ("kube-dns",)
COMPANIONS = {
    "test_no_replica_of_dns_is_late": "there is no replica to be asked",
    "test_headless_service_names_its_pods": "nobody resolves its name",
    "test_dns_*": "there is no replica",
    "test_cluster_dns_*": "there is no replica",
}


def inject(context: Context) -> Victims:
    """Scale it down, and wait until its pods have gone."""
    told = context.ask("get", *COREDNS)
    context.keep("replicas", told["spec"]["replicas"])
    context.kubectl("scale", *COREDNS, "--replicas", "0")
    pods = ("get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")
    context.wait_for("no CoreDNS", 60, lambda: not context.ask(*pods)["items"])
    return WHOLE_CLUSTER


def heal(context: Context) -> None:
    """Scale it to what it was, and wait until it answers."""
    context.kubectl("scale", *COREDNS, "--replicas", str(context.kept("replicas") or 2))
    context.kubectl("rollout", "status", *COREDNS, "--timeout", "10s", check=False)
