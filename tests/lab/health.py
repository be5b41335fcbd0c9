# SPDX-License-Identifier: Apache-2.0
"""When a cluster is whole: what every test begins with and leaves behind."""

from datetime import datetime

from tests.lab import controller, etcd
from tests.lab.cluster import Cluster, Node

WHOLE_SECONDS = 180
READYZ = (
    "curl --silent --show-error --fail --max-time 5 --output /dev/null"
    " --cacert /etc/kubernetes/pki/ca.crt"
    " --cert /var/lib/kubelet/pki/kubelet-client-current.pem"
)


def await_whole(cluster: Cluster, seconds: float = WHOLE_SECONDS) -> None:
    """Wait until every node is Ready, every member of etcd healthy, every API server ready."""
    control = cluster.control
    controller.wait_for("all nodes are Ready", seconds, lambda: all_ready(cluster))
    names = [node.name for node in control]
    controller.wait_for(
        "all members of etcd are healthy",
        seconds,
        lambda: etcd.healthy(control[0], control) == names and all_vote(control[0]),
    )
    for node in control:
        await_api(node, seconds)


def all_ready(cluster: Cluster) -> bool:
    """Tell whether the API says that all nodes there should be are Ready."""
    states = node_states(cluster)
    missing = {node.name: states.get(node.name) for node in cluster.nodes}
    not_ready = {name: state for name, state in missing.items() if state != "True"}
    assert not not_ready, f"not Ready: {not_ready}"
    return True


def node_states(cluster: Cluster) -> dict[str, str]:
    """Return the status of each Node's condition Ready."""
    found = {}
    for node in cluster.ask("get", "nodes")["items"]:
        conditions = {each["type"]: each["status"] for each in node["status"]["conditions"]}
        found[node["metadata"]["name"]] = conditions.get("Ready", "Unknown")
    return found


def all_vote(node: Node) -> bool:
    """Tell whether no member of etcd is a learner."""
    return not any(member.learner for member in etcd.members(node).values())


def await_api(node: Node, seconds: float) -> None:
    """Wait until the API server on a control plane node says it is ready."""
    url = f"https://{node.address}:6443/readyz"

    def ready() -> bool:
        node.run(f"{READYZ} {url}")
        return True

    controller.wait_for(f"the API on {node.name} is ready", seconds, ready)


def await_return(cluster: Cluster, node: Node, since: float, seconds: float) -> None:
    """Wait until a node's kubelet has reported after a moment, and the cluster is whole."""
    words = ["get", "lease", node.name, "-n", "kube-node-lease"]

    def reported() -> bool:
        renewed = str(cluster.ask(*words)["spec"]["renewTime"]).replace("Z", "+00:00")
        return datetime.fromisoformat(renewed).timestamp() > since

    controller.wait_for(f"the kubelet of {node.name} reports", seconds, reported)
    await_whole(cluster, seconds)


def suite(cluster: Cluster) -> None:
    """Have the conformance suite judge the cluster as its stack describes it now."""
    told = cluster.directory / "expect.json"
    words = ["openstack", "stack", "output", "show", "-f", "json", cluster.name, "conformance"]
    told.write_bytes(controller.inside(*words))
    suite = ["pytest", "conformance/", "-n", "auto", "-q", "-p", "no:cacheprovider"]
    options = ["--kubeconfig", str(cluster.directory / "kubeconfig"), "--expect", str(told)]
    controller.inside(*suite, *options)
