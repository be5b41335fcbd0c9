# SPDX-License-Identifier: Apache-2.0
"""Checks before any object is created: nodes, taints, and the rights of this user.

Missing rights end the run. A node that is not ready or does not accept pods does not: the run
reports it, and its checks are inconclusive with that reason.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from conformance.api import core_resources
from conformance.api.client import ApiStatusError, Cluster
from conformance.facts.expected import Expectation
from conformance.facts.model import NodeStatus
from conformance.manifests import base
from conformance.outcome import InconclusiveError

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
AT_ONCE = 16
# Verb, group and resource of requests of every run.
NEEDS = (
    ("create", "", "namespaces"),
    ("delete", "", "namespaces"),
    ("list", "", "nodes"),
    ("list", "", "pods"),
    ("create", "", "pods"),
    ("deletecollection", "", "pods"),
    ("create", "", "pods/exec"),
    ("create", "", "configmaps"),
    ("create", "", "secrets"),
    ("create", "", "serviceaccounts"),
    ("create", "", "services"),
    ("create", "apps", "deployments"),
    ("create", "coordination.k8s.io", "leases"),
)


@dataclass(frozen=True)
class Preflight:
    """Result of the preflight."""

    nodes: list[NodeStatus]
    api_servers: list[str] = field(default_factory=list)
    """URL of each API server."""
    broken: str = ""
    """Why the API cannot list the nodes; empty if it can."""

    def obstacles(self) -> list[str]:
        """Return what limits the run, one line each."""
        found = [line for node in self.nodes for line in of_node(node)]
        free = [node for node in self.nodes if accepts_pods(node)]
        if self.nodes and not free:
            found.append("no node accepts ordinary pods; checks that need one are skipped")
        return found


def look(cluster: Cluster, expected: Expectation) -> Preflight:
    """Read the nodes and check the rights of this user, concurrently.

    Raises:
        InconclusiveError: there are no nodes, or this user lacks rights that a run needs.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        missing = pool.map(lambda need: not_allowed(cluster, *need), NEEDS)
        servers = pool.submit(core_resources.api_servers, cluster)
        broken, nodes = "", []
        try:
            nodes = core_resources.nodes(cluster)
        except ApiStatusError as refusal:
            if not refusal.is_permanent:
                broken = str(refusal)
        except InconclusiveError as problem:
            broken = str(problem)
        require_rights([right for right in missing if right], cluster)
        endpoints = [] if servers.exception() else servers.result()
    if broken:
        nodes = [placeholder(name, expected) for name in expected.nodes]
    elif not nodes:
        raise InconclusiveError("the cluster has no nodes\n  next  kubectl get nodes")
    return Preflight(nodes, core_resources.with_control(endpoints, nodes), broken)


def not_allowed(cluster: Cluster, verb: str, group: str, resource: str) -> str:
    """Return the request if this user is not authorized; empty if authorized or unknown."""
    name, _, part = resource.partition("/")
    wanted = {"verb": verb, "group": group, "resource": name, "subresource": part}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": wanted},
    }
    try:
        allowed = cluster.post(REVIEWS, review)["status"].get("allowed", True)
    except (InconclusiveError, KeyError):
        return ""
    return "" if allowed else f"{verb} {resource}"


def require_rights(missing: list[str], cluster: Cluster) -> None:
    """Require that no right is missing.

    Raises:
        InconclusiveError: naming the missing rights.
    """
    if missing:
        verb, _, resource = missing[0].partition(" ")
        raise InconclusiveError(
            f"the user of {cluster.kubeconfig} may not {', '.join(missing)}\n"
            f"  next  kubectl auth can-i {verb} {resource} --all-namespaces; "
            "use an administrator's kubeconfig"
        )


def of_node(node: NodeStatus) -> list[str]:
    """Return why the node is not ready or does not accept ordinary pods."""
    if not node.ready:
        return [f"{node.name} is not Ready: {' '.join(node.why_not_ready.split())[:200]}"]
    if node.unschedulable:
        return [f"{node.name} is cordoned: it accepts no ordinary pods"]
    control = node.is_control
    taints = [f"{t['key']}:{t['effect']}" for t in base.tolerations_for(node)]
    return [] if control or not taints else [f"{node.name} is tainted: {', '.join(taints)}"]


def accepts_pods(node: NodeStatus) -> bool:
    """Return whether the scheduler can place an ordinary pod on the node."""
    return node.ready and not node.unschedulable and not base.tolerations_for(node)


def placeholder(name: str, expected: Expectation) -> NodeStatus:
    """Return the status of an expected node that the API cannot return."""
    node = expected.nodes[name]
    return NodeStatus(
        name=name,
        address=node.address,
        roles=["control-plane"] if node.role == "control" else [],
        labels={},
        taints=[],
        ready=False,
        reasons={"Ready": "NodeStatusUnknown: the API cannot list nodes"},
        kubelet="",
        runtime="",
        milli_cpu=0,
        memory=0,
    )
