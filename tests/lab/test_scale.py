# SPDX-License-Identifier: Apache-2.0
"""Add and remove a worker by updates of the stack, without effect on other nodes."""

import json
import time
from pathlib import Path

from lab.harness import certificates, controller, health, secrets
from lab.harness import cluster as clusters
from lab.harness.cluster import Cluster
from lab.harness.figures import Figure
from lab.harness.polling import from_node, from_outside, poll
from lab.harness.secrets import KnownSecrets
from lab.harness.workload import NAMESPACE, Workload

# The control plane does not restart: permit only a slow response of a busy machine.
OUTAGE_SECONDS = 3.0


def servers(cluster: Cluster) -> dict[str, str]:
    """Return the ids of the servers of the cluster, by name."""
    listed = json.loads(controller.inside("openstack", "server", "list", "-f", "json"))
    return {each["Name"]: each["ID"] for each in listed if each["Name"].startswith(cluster.name)}


def group_size(cluster: Cluster) -> int:
    """Return the number of workers in the group `worker`."""
    return len([node for node in cluster.nodes if node.group == "worker"])


def update(cluster: Cluster, workers: int) -> float:
    """Update the number of workers with heatgen; return the seconds."""
    start = time.monotonic()
    controller.inside(
        "heatgen", "update", "cluster.yaml", "--yes", "--parameter", f"worker_count={workers}",
        directory=cluster.directory,
    )  # fmt: skip
    return time.monotonic() - start


def test_one_worker_more_and_one_less(
    healthy: Cluster, work: Workload, known_secrets: KnownSecrets, figure: Figure, tmp_path: Path
) -> None:
    """The new worker joins; other nodes keep servers and certificates; no secret is leaked."""
    before, size = servers(healthy), group_size(healthy)
    kept = certificates.installed(healthy.nodes)
    identity = clusters.write_identity(healthy, tmp_path / "identity")
    outside = (None, from_outside(healthy, identity, NAMESPACE))
    worker = healthy.workers[0]
    within = (worker, [*from_node(healthy, worker), work.target()])

    with poll(outside, within) as results:
        seconds = update(healthy, size + 1)
    larger = clusters.read(healthy.name)
    try:
        assert group_size(larger) == size + 1
        health.wait_healthy(larger)
        after = servers(larger)
        assert {name: after[name] for name in before} == before
        assert len(after) == len(before) + 1
        assert certificates.installed(healthy.nodes) == kept
        secrets.assert_not_leaked(larger, known_secrets)
    finally:
        new = {node.name for node in larger.nodes} - {node.name for node in healthy.nodes}
        shrink = update(healthy, size)
    assert servers(healthy) == before
    assert not new & health.node_states(healthy).keys()
    # Pods of the removed server are deleted, so that no Service uses them.
    pods = healthy.get_json("get", "pods", "--all-namespaces")["items"]
    assert not [pod for pod in pods if pod["spec"].get("nodeName") in new]
    figure("one worker more, seconds", round(seconds, 1))
    figure("one worker less, seconds", round(shrink, 1))
    figure("while scaling", results.seen)
    for target in results.seen:
        assert results.outage(target) <= OUTAGE_SECONDS, str(results)
