# SPDX-License-Identifier: Apache-2.0
"""Certificates, authorities and the key of the administrator are renewed without downtime.

A client that sends five requests per second, each on a new connection, may fail for at most
OUTAGE_SECONDS. New certificates restart no process: this is the time of one response on a busy
machine. New authorities restart the API servers one by one: clients retry with another one, and the
address moves within the same ten seconds as after the loss of a server.
"""

import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import yaml

from lab.harness import certificates, controller, health, secrets
from lab.harness import cluster as clusters
from lab.harness.cluster import COREDNS, Cluster, Node, fingerprints
from lab.harness.figures import Figure
from lab.harness.polling import PollResults, Target, from_node, from_outside, poll
from lab.harness.secrets import KnownSecrets
from lab.harness.workload import NAMESPACE, Workload

pytestmark = pytest.mark.long

OUTAGE_SECONDS = 3.0
RESTART_OUTAGE_SECONDS = 10.0
MOST_FAILED = 0.01
API, ETCD = 6443, 2379
FOLLOW_SECONDS = 2.0

Places = list[tuple[Node | None, list[Target]]]


@pytest.fixture
def identity(cluster: Cluster, tmp_path: Path) -> dict[str, str]:
    """Return the paths of CA, certificate and key of the administrator."""
    return clusters.write_identity(cluster, tmp_path / "identity")


@pytest.fixture
def places(cluster: Cluster, work: Workload, identity: dict[str, str]) -> Places:
    """Return the polled targets: of an administrator outside, and of a kubelet and its node."""
    worker = cluster.workers[0]
    inside = [*from_node(cluster, worker), work.target()]
    return [(None, from_outside(cluster, identity, NAMESPACE)), (worker, inside)]


def heatgen(cluster: Cluster, *words: str) -> float:
    """Run heatgen in the directory of the cluster; return the seconds."""
    began = time.monotonic()
    controller.inside("heatgen", *words, directory=cluster.directory)
    return round(time.monotonic() - began, 1)


def fetch_kubeconfig(cluster: Cluster) -> None:
    """Fetch the kubeconfig, as an administrator does after a rotation."""
    heatgen(cluster, "kubeconfig", cluster.name, "-o", "kubeconfig")


def assert_no_downtime(results: PollResults, seconds: float) -> None:
    """Check the longest outage of the API and of the Service.

    Nearly no requests to the Service may fail, because its pods keep running.
    """
    for target in results.seen:
        bound = OUTAGE_SECONDS if target == "service" else seconds
        assert results.outage(target) <= bound, str(results)
    limit = MOST_FAILED * results.requests("service")
    assert results.failures("service") <= limit, str(results)


def following(node: Node, bundle: Path) -> AbstractContextManager[None]:
    """Update the authorities of a client, within seconds, to those that a node trusts."""

    def follow() -> None:
        new = bundle.with_suffix(".new")
        new.write_text(certificates.authority(node))
        new.rename(bundle)

    return controller.periodically(follow, FOLLOW_SECONDS, patience=30)


def test_certificates_are_renewed_without_downtime(
    healthy: Cluster, places: Places, figure: Figure
) -> None:
    """All certificates are renewed for the same keys and served, without restarts."""
    before = certificates.installed(healthy.nodes)
    pids = certificates.processes(healthy.nodes)
    with poll(*places) as results:
        seconds = heatgen(healthy, "rotate", "certificates", healthy.name)
    fetch_kubeconfig(healthy)

    after = certificates.installed(healthy.nodes)
    assert after.keys() == before.keys()
    same = [where for where in before if after[where].serial == before[where].serial]
    assert not same, f"not renewed: {same}"
    assert {where: each.key for where, each in after.items()} == {
        where: each.key for where, each in before.items()
    }
    assert {each.issuer for each in after.values()} == {each.issuer for each in before.values()}
    assert certificates.processes(healthy.nodes) == pids
    for node in healthy.control:
        for port, path in ((API, "kubernetes/pki/apiserver"), (ETCD, "etcd/pki/server")):
            wanted = after[f"{node.name}:/etc/{path}.crt"].serial
            assert certificates.served(node, port) == wanted, f"port {port} of {node.name}"
    figure("rotate certificates, seconds", seconds)
    figure("while certificates rotate", results.seen)
    assert_no_downtime(results, OUTAGE_SECONDS)


def test_authorities_are_replaced_in_two_steps(
    healthy: Cluster, places: Places, identity: dict[str, str], figure: Figure, tmp_path: Path
) -> None:
    """First both are trusted and the new one signs, then the old one is removed from every node.

    A Deployment that was scaled manually keeps its size, although every step runs again.
    """
    node = healthy.workers[0]
    healthy.kubectl("scale", *COREDNS, "--replicas=3")
    old = fingerprints(certificates.authority(node))
    assert len(old) == 1
    with following(node, Path(identity["ca"])), poll(*places) as first:
        seconds = heatgen(healthy, "rotate", "authorities", healthy.name)
    both = fingerprints(certificates.authority(node))
    assert len(both) == 2
    assert both[1] == old[0]
    figure("rotate authorities, first step, seconds", seconds)
    figure("while authorities rotate, first step", first.seen)

    fetch_kubeconfig(healthy)
    clusters.write_identity(healthy, tmp_path / "identity")
    with poll(*places) as second:
        seconds = heatgen(healthy, "rotate", "authorities", healthy.name)
    fetch_kubeconfig(healthy)
    figure("rotate authorities, second step, seconds", seconds)
    figure("while authorities rotate, second step", second.seen)

    size = healthy.get_json("get", *COREDNS)["spec"]["replicas"]
    healthy.kubectl("scale", *COREDNS, "--replicas=2")
    assert size == 3
    health.wait_healthy(healthy)
    trusted = clusters.on_all(healthy.nodes, "cat /etc/kubernetes/pki/ca.crt")
    assert {name: fingerprints(text) for name, text in trusted.items()} == {
        each.name: both[:1] for each in healthy.nodes
    }
    verify = "for f in /etc/*/pki/*.crt; do openssl verify -CAfile ${f%/*}/ca.crt $f; done"
    clusters.on_all(healthy.nodes, f"set -e; {verify}")
    assert_no_downtime(first, RESTART_OUTAGE_SECONDS)
    assert_no_downtime(second, RESTART_OUTAGE_SECONDS)


def test_the_administrator_gets_a_new_key(healthy: Cluster, figure: Figure) -> None:
    """`heatgen kubeconfig --renew` creates another key and certificate, which are accepted."""
    before = healthy.kubeconfig["users"][0]["user"]
    seconds = heatgen(healthy, "kubeconfig", healthy.name, "--renew", "-o", "kubeconfig")
    after = yaml.safe_load((healthy.directory / "kubeconfig").read_text())["users"][0]["user"]
    for part in ("client-certificate-data", "client-key-data"):
        assert after[part] != before[part]
    healthy.kubectl("get", "namespace", "kube-system")
    figure("kubeconfig --renew, seconds", seconds)


def test_encrypted_data_remains_readable(healthy: Cluster, work: Workload) -> None:
    """Data that was encrypted before the rotation can be read."""
    assert work.read_secret() == work.secret


def test_no_secret_was_leaked(healthy: Cluster, known_secrets: KnownSecrets) -> None:
    """Databases and logs contain neither the old nor the new keys."""
    secrets.assert_not_leaked(healthy, known_secrets)
