# SPDX-License-Identifier: Apache-2.0
"""etcd loses the data of all members; 'heatgen restore' brings back the state of the backup."""

import json
import time

import pytest

from lab.harness import controller, etcd, health
from lab.harness.cluster import Cluster
from lab.harness.figures import Figure
from lab.harness.workload import IMAGE, NAMESPACE, Workload

pytestmark = pytest.mark.long

BUMP = 1_000_000_000
LOSE = (
    "systemctl kill --signal=KILL etcd.service; systemctl stop etcd.service; "
    "rm -rf /var/lib/etcd/member"
)
LATE, LATE_PORT = "late", 28199  # a pod that is created after the backup


def heatgen(cluster: Cluster, *words: str) -> str:
    """Run heatgen in the directory of the cluster; return its output."""
    return controller.inside("heatgen", *words, directory=cluster.directory).decode()


def revision(cluster: Cluster) -> int:
    """Return the revision of etcd, as a client sees it that lists objects."""
    found = json.loads(cluster.kubectl("get", "--raw", "/api/v1/namespaces"))
    return int(found["metadata"]["resourceVersion"])


def late_processes(cluster: Cluster) -> str:
    """Return the processes of the late pod on all workers."""
    script = f"grep -lsz -- '^--http-port={LATE_PORT}$' /proc/[0-9]*/cmdline || true"
    return "".join(node.run(script) for node in cluster.workers)


def test_restore(healthy: Cluster, ha_cluster: Cluster, work: Workload, figure: Figure) -> None:
    """Objects of the backup exist, later ones and their pods do not, Secrets are readable."""
    cluster = ha_cluster
    kubectl = cluster.kubectl
    kubectl("-n", NAMESPACE, "create", "configmap", "restore-check", "--from-literal=state=before")
    heatgen(cluster, "backup", "now", cluster.name)
    after = json.dumps({"data": {"state": "after"}})
    kubectl("-n", NAMESPACE, "patch", "configmap", "restore-check", "-p", after)
    kubectl(
        "-n", NAMESPACE, "run", LATE, f"--image={IMAGE}", "--",
        "netexec", f"--http-port={LATE_PORT}", "--udp-port=-1",
    )  # fmt: skip
    controller.wait_for("the late pod has a process", 90, lambda: late_processes(cluster))
    highest = revision(cluster)
    for node in cluster.control:
        node.run(LOSE)
    began = time.monotonic()
    heatgen(cluster, "restore", cluster.name, "--yes")
    figure("restore of all etcd members, seconds", round(time.monotonic() - began, 1))
    health.wait_healthy(cluster)
    state = cluster.get_json("-n", NAMESPACE, "get", "configmap", "restore-check")
    assert state["data"] == {"state": "before"}
    assert work.read_secret() == work.secret
    assert revision(cluster) > max(highest, BUMP)
    assert len(etcd.members(cluster.control[0])) == len(cluster.control)
    assert LATE not in kubectl("-n", NAMESPACE, "get", "pods", "-o", "name")
    controller.wait_for("the late pod is stopped", 120, lambda: not late_processes(cluster))
    rows = json.loads(heatgen(cluster, "backup", "list", cluster.name, "-f", "json"))
    assert {row["Node"] for row in rows} == {node.name for node in cluster.control}


def test_the_suite_passes_after_the_restore(healthy: Cluster, ha_cluster: Cluster) -> None:
    """The conformance suite passes on the restored cluster."""
    health.run_suite(ha_cluster.name, ha_cluster.directory)


def test_a_restore_without_a_backup_is_refused(healthy: Cluster, ha_cluster: Cluster) -> None:
    """An unknown backup is refused before anything stops."""
    words = ("heatgen", "restore", ha_cluster.name, "--yes", "--from", "no-such-node")
    controller.inside(*words, directory=ha_cluster.directory, check=False)
    assert health.control_plane_healthy(ha_cluster)
