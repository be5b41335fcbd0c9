# SPDX-License-Identifier: Apache-2.0
"""The first control-plane node is lost permanently; Heat creates another, which joins."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.harness import certificates, controller, etcd, health, power
from lab.harness import cluster as clusters
from lab.harness.cluster import Cluster, Node, fingerprints
from lab.harness.figures import Figure
from lab.harness.polling import from_node, from_outside, poll
from lab.harness.workload import NAMESPACE, Workload

pytestmark = pytest.mark.long

OUTAGE_SECONDS = 10.0
SERVICE_SECONDS = 3.0
KUBECTL = "/opt/heatgen/bin/kubectl --request-timeout 10s"
CREATE_TOKEN = (
    f"{KUBECTL} --kubeconfig /etc/kubernetes/bootstrap.kubeconfig --server https://{{address}}:6443"
    f" create token default --namespace {NAMESPACE} --duration 1h"
)
# The token is read from standard input, because scripts are logged. An API server returns its API
# groups to any authenticated client, and 401 to others.
USE_TOKEN = (
    "token=$(cat); curl --silent --show-error --fail --max-time 10 --output /dev/null"
    ' --cacert /etc/kubernetes/pki/ca.crt --header @<(echo "Authorization: Bearer $token")'
    " https://{address}:6443/apis"
)


@dataclass(frozen=True, kw_only=True)
class Before:
    """State that must not change by the replacement."""

    members: dict[str, etcd.Member]
    certificates: dict[str, certificates.Certificate]
    authority: list[str]
    tokens: list[str]
    namespace: str
    server: str


def server_id(node: Node) -> str:
    """Return the id of a server."""
    words = ["openstack", "server", "show", "-f", "value", "-c", "id", node.name]
    return controller.inside(*words).decode().strip()


def assert_token_accepted(node: Node, token: str) -> None:
    """Check that an API server accepts a token."""
    node.run(USE_TOKEN.format(address=node.address), text=token.encode())


def record(cluster: Cluster, work: Workload) -> Before:
    """Record the state; each API server signs a token with its own key."""
    tokens = [node.run(CREATE_TOKEN.format(address=node.address)) for node in cluster.control]
    others = [node for node in cluster.nodes if node != cluster.control[0]]
    return Before(
        members=etcd.members(cluster.control[1]),
        certificates=certificates.installed(others),
        authority=fingerprints(certificates.authority(cluster.control[1])),
        tokens=[token.strip() for token in tokens],
        namespace=work.identity(),
        server=server_id(cluster.control[0]),
    )


def replace(cluster: Cluster, node: Node) -> float:
    """Mark a server as unhealthy, and update the stack to recreate it; return the seconds."""
    resource = f"control_{cluster.control.index(node)}"
    words = ["openstack", "stack", "resource", "mark", "unhealthy", cluster.name, resource]
    controller.inside(*words, "power cut by a lab test")
    return controller.update(cluster.name)


def test_the_first_server_is_replaced(
    healthy: Cluster, ha_cluster: Cluster, work: Workload, figure: Figure, tmp_path: Path
) -> None:
    """A new member joins etcd; authorities, data, tokens and other nodes are unchanged."""
    first, second = ha_cluster.control[:2]
    before = record(ha_cluster, work)
    identity = clusters.write_identity(ha_cluster, tmp_path / "identity")
    worker = ha_cluster.workers[0]
    inside = [*from_node(ha_cluster, worker), work.target()]
    with poll((None, from_outside(ha_cluster, identity, NAMESPACE)), (worker, inside)) as results:
        power.cut(first)
        seconds = replace(ha_cluster, first)
        health.wait_healthy(ha_cluster)
    figure("control-0 replaced, seconds", round(seconds, 1))
    figure(
        "outage: control-0 replaced", {name: each["outage"] for name, each in results.seen.items()}
    )

    assert server_id(first) != before.server
    members = etcd.members(second)
    assert members.keys() == before.members.keys()
    changed = {name for name in members if members[name] != before.members[name]}
    assert changed == {"control-0"}
    others = [node for node in ha_cluster.nodes if node != first]
    assert certificates.installed(others) == before.certificates
    for node in ha_cluster.nodes:
        assert fingerprints(certificates.authority(node)) == before.authority
    assert work.identity() == before.namespace
    assert work.read_secret() == work.secret
    for node in ha_cluster.control:
        for token in before.tokens:
            assert_token_accepted(node, token)
    for target in results.seen:
        bound = SERVICE_SECONDS if target == "service" else OUTAGE_SECONDS
        assert results.outage(target) <= bound, str(results)


def test_the_suite_passes_with_the_new_server(healthy: Cluster, ha_cluster: Cluster) -> None:
    """The conformance suite passes on the cluster with the new server."""
    health.run_suite(ha_cluster.name, ha_cluster.directory)
