# SPDX-License-Identifier: Apache-2.0
"""Health of a cluster, which tests require before and leave after."""

import json
from datetime import datetime
from pathlib import Path

from lab.harness import controller, etcd
from lab.harness.cluster import Cluster, Node

HEALTHY_SECONDS = 180
# Run on a control-plane node: print the status of /readyz of each API server, then etcd.
SCRIPT = """
pair=/var/lib/kubelet/pki/kubelet-client-current.pem
for address in {addresses}; do
    curl --silent --max-time 5 --output /dev/null --write-out '%{{http_code}} ' \\
        --cacert /etc/kubernetes/pki/ca.crt --cert $pair --key $pair \\
        "https://$address:6443/readyz" || true
done
echo
{etcdctl} --endpoints {endpoints} endpoint health || true
{etcdctl} --endpoints {endpoints} member list
"""


def wait_healthy(cluster: Cluster, seconds: float = HEALTHY_SECONDS) -> None:
    """Wait until all nodes, API servers and members of etcd are ready."""
    controller.wait_for(
        f"{cluster.name} is healthy",
        seconds,
        lambda: all_ready(cluster) and control_plane_healthy(cluster),
    )


def control_plane_healthy(cluster: Cluster) -> bool:
    """Return True if API servers and etcd are healthy; else raise AssertionError."""
    nodes = cluster.control
    script = SCRIPT.format(
        addresses=" ".join(node.address for node in nodes),
        endpoints=",".join(etcd.url(node) for node in nodes),
        etcdctl=etcd.ETCDCTL,
    )
    codes, healths, listed = nodes[-1].run(script).splitlines()
    assert codes.split() == ["200"] * len(nodes), f"/readyz of the API servers: {codes}"
    unhealthy = [each["endpoint"] for each in json.loads(healths) if not each["health"]]
    assert not unhealthy, f"etcd is unhealthy at {unhealthy}"
    learners = [each for each in json.loads(listed)["members"] if each.get("isLearner")]
    assert not learners, f"members are still learners: {learners}"
    return True


def all_ready(cluster: Cluster) -> bool:
    """Return True if all expected nodes are Ready; else raise AssertionError."""
    states = node_states(cluster)
    expected = {node.name: states.get(node.name) for node in cluster.nodes}
    not_ready = {name: state for name, state in expected.items() if state != "True"}
    assert not not_ready, f"not Ready: {not_ready}"
    return True


def node_states(cluster: Cluster) -> dict[str, str]:
    """Return the status of the condition Ready of each Node."""
    found = {}
    for node in cluster.get_json("get", "nodes")["items"]:
        conditions = {each["type"]: each["status"] for each in node["status"]["conditions"]}
        found[node["metadata"]["name"]] = conditions.get("Ready", "Unknown")
    return found


def wait_return(cluster: Cluster, node: Node, since: float, seconds: float) -> None:
    """Wait until the kubelet of a node has reported after a time, and the cluster is healthy."""
    words = ["get", "lease", node.name, "-n", "kube-node-lease"]

    def reported() -> bool:
        renewed = str(cluster.get_json(*words)["spec"]["renewTime"]).replace("Z", "+00:00")
        return datetime.fromisoformat(renewed).timestamp() > since

    controller.wait_for(f"the kubelet of {node.name} has reported", seconds, reported)
    wait_healthy(cluster, seconds)


def run_suite(stack: str, directory: Path, *extra: str) -> None:
    """Run the conformance suite on the cluster of a stack, with the kubeconfig in a directory.

    extra: further options of the suite.
    """
    expected = directory / "expect.json"
    words = ["openstack", "stack", "output", "show", "-f", "json", stack, "conformance"]
    expected.write_bytes(controller.inside(*words))
    suite = ["pytest", "conformance/", "-n", "auto", "-q", "-p", "no:cacheprovider"]
    options = ["--kubeconfig", str(directory / "kubeconfig"), "--expect", str(expected)]
    controller.inside(*suite, *options, *extra)
