# SPDX-License-Identifier: Apache-2.0
"""The first control plane server dies for good; Heat makes another, which joins by itself."""

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
# The token comes on standard input, for what stands in a script is logged. An API server tells any
# bearer it knows which groups it has, and answers 401 to others.
USE_TOKEN = (
    "token=$(cat); curl --silent --show-error --fail --max-time 10 --output /dev/null"
    ' --cacert /etc/kubernetes/pki/ca.crt --header @<(echo "Authorization: Bearer $token")'
    " https://{address}:6443/apis"
)


@dataclass(frozen=True, kw_only=True)
class Before:
    """What must outlive the loss, as it was before."""

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
    """An API server knows the bearer of a token."""
    node.run(USE_TOKEN.format(address=node.address), text=token.encode())


def note(cluster: Cluster, work: Workload) -> Before:
    """Note what must outlive the loss; each API server signs a token with its own key."""
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
    """Tell Heat that a server is lost and have it made anew; return the seconds."""
    resource = f"control_{cluster.control.index(node)}"
    words = ["openstack", "stack", "resource", "mark", "unhealthy", cluster.name, resource]
    controller.inside(*words, "unplugged by the lab ring")
    return controller.update(cluster.name)


def test_the_first_server_is_replaced(
    healthy: Cluster, many: Cluster, work: Workload, figure: Figure, tmp_path: Path
) -> None:
    """A new member of etcd in its place; authorities, data, tokens and all others as they were."""
    first, second = many.control[:2]
    before = note(many, work)
    identity = clusters.write_identity(many, tmp_path / "identity")
    worker = many.workers[0]
    inside = [*from_node(many, worker), work.target()]
    with poll((None, from_outside(many, identity, NAMESPACE)), (worker, inside)) as watch:
        power.cut(first)
        seconds = replace(many, first)
        health.wait_healthy(many)
    figure("control-0 replaced, seconds", round(seconds, 1))
    figure(
        "outage: control-0 replaced", {name: each["outage"] for name, each in watch.seen.items()}
    )

    assert server_id(first) != before.server
    members = etcd.members(second)
    assert members.keys() == before.members.keys()
    changed = {name for name in members if members[name] != before.members[name]}
    assert changed == {"control-0"}
    others = [node for node in many.nodes if node != first]
    assert certificates.installed(others) == before.certificates
    for node in many.nodes:
        assert fingerprints(certificates.authority(node)) == before.authority
    assert work.identity() == before.namespace
    assert work.read_secret() == work.secret
    for node in many.control:
        for token in before.tokens:
            assert_token_accepted(node, token)
    for target in watch.seen:
        bound = SERVICE_SECONDS if target == "service" else OUTAGE_SECONDS
        assert watch.outage(target) <= bound, str(watch)


def test_the_suite_is_green_with_the_new_server(healthy: Cluster, many: Cluster) -> None:
    """The new server is as good as the one that died."""
    health.run_suite(many.name, many.directory)
