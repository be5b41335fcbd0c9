# SPDX-License-Identifier: Apache-2.0
"""Before anything is made, within seconds: what will be in the way, by the name of node or taint.

What nothing can be done without ends the run at once. A single node that is in the way does not:
it is named, its checks say why they cannot ask, and the rest is judged.
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
# Verb, group and resource of what every run does.
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
    """What was found: nodes, API servers, and what will be in the way.

    broken: why the API does not tell its nodes, although it should; '' if it does.
    """

    nodes: list[NodeStatus]
    api_servers: list[str] = field(default_factory=list)
    broken: str = ""

    def obstacles(self) -> list[str]:
        """What will be in the way, a line each; empty is good."""
        found = [line for node in self.nodes for line in of_node(node)]
        free = [node for node in self.nodes if takes_pods(node)]
        if self.nodes and not free:
            found.append("no node takes ordinary pods, so checks that need one are skipped")
        return found


def look(cluster: Cluster, expected: Expectation) -> Preflight:
    """Ask for nodes and rights, all at once.

    Raises:
        InconclusiveError: if there are no nodes, or this user may not do what a run needs.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        missing = pool.map(lambda need: not_allowed(cluster, *need), NEEDS)
        servers = pool.submit(core_resources.api_servers, cluster)
        broken, nodes = "", []
        try:
            nodes = core_resources.nodes(cluster)
        except ApiStatusError as refusal:
            if not refusal.is_lasting:
                broken = str(refusal)
        except InconclusiveError as problem:
            broken = str(problem)
        require_rights([right for right in missing if right], cluster)
        told = [] if servers.exception() else servers.result()
    if broken:
        nodes = [unheard(name, expected) for name in expected.nodes]
    elif not nodes:
        raise InconclusiveError("the cluster has no nodes\n  next  kubectl get nodes")
    return Preflight(nodes, core_resources.with_control(told, nodes), broken)


def not_allowed(cluster: Cluster, verb: str, group: str, resource: str) -> str:
    """What this user may not do, '' if it may or nobody tells."""
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
    """All that a run needs is allowed.

    Raises:
        InconclusiveError: naming what is not.
    """
    if missing:
        verb, _, resource = missing[0].partition(" ")
        raise InconclusiveError(
            f"the user of {cluster.kubeconfig} may not {', '.join(missing)}\n"
            f"  next  kubectl auth can-i {verb} {resource} --all-namespaces; "
            "take an administrator's kubeconfig"
        )


def of_node(node: NodeStatus) -> list[str]:
    """What is in the way on a node."""
    if not node.ready:
        return [f"{node.name} is not Ready: {' '.join(node.why_not_ready.split())[:200]}"]
    if node.unschedulable:
        return [f"{node.name} is cordoned: ordinary pods are not put there"]
    control = node.is_control
    taints = [f"{t['key']}:{t['effect']}" for t in base.tolerations_for(node)]
    return [] if control or not taints else [f"{node.name} is tainted: {', '.join(taints)}"]


def takes_pods(node: NodeStatus) -> bool:
    """Would an ordinary pod be put on the node?"""
    return node.ready and not node.unschedulable and not base.tolerations_for(node)


def unheard(name: str, expected: Expectation) -> NodeStatus:
    """A node that is expected, of which a broken API tells nothing."""
    node = expected.nodes[name]
    return NodeStatus(
        name=name,
        address=node.address,
        roles=["control-plane"] if node.role == "control" else [],
        labels={},
        taints=[],
        ready=False,
        reasons={"Ready": "NodeStatusUnknown: the API does not tell"},
        kubelet="",
        runtime="",
        milli_cpu=0,
        memory=0,
    )
