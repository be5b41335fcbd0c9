# SPDX-License-Identifier: Apache-2.0
"""Add and remove a worker by updates of the stack, without effect on other nodes."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.harness import certificates, controller, health, secrets, workload
from lab.harness import cluster as clusters
from lab.harness.cluster import COMPLETE, Cluster, Node
from lab.harness.figures import Figure
from lab.harness.polling import Target, from_node, from_outside, poll
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


# Acceptance of issue 15, point 7: removal of a named worker with a workload that has a budget.

MOVED = "moved"
"""Name of the Deployment, its budget and its Service in the namespace of the workload."""
REPLICAS = 4
ERRORS = 0.01
"""Maximum part of failed requests to the Service."""
REFUSED = 7
"""Exit code of heatgen if a disruption budget refuses."""
GRACE = 5
"""Seconds in which a pod that is deleted still responds, until no node routes to it."""


def moved_objects() -> list[dict[str, object]]:
    """Return a Deployment with a budget of one pod, and its Service."""
    labels = {"app": MOVED}
    template = workload.daemon_set()["template"]
    pod = template["spec"]
    pod["terminationGracePeriodSeconds"] = GRACE + 5
    pod["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": GRACE}}}
    pod["topologySpreadConstraints"] = [{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": labels},
    }]  # fmt: skip
    of = workload.namespaced
    selector = {"matchLabels": labels}
    return [
        of("apps/v1", "Deployment", MOVED, {"spec": {
            "replicas": REPLICAS, "selector": selector,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }}),
        of("policy/v1", "PodDisruptionBudget", MOVED, {"spec": {
            "maxUnavailable": 1, "selector": selector,
        }}),
        of("v1", "Service", MOVED, {"spec": {
            "selector": labels, "ports": [{"port": 80, "targetPort": workload.PORT}],
        }}),
    ]  # fmt: skip


def apply(cluster: Cluster, directory: Path, *objects: dict[str, object]) -> None:
    """Apply objects."""
    file = directory / "objects.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
    cluster.kubectl("apply", "-f", str(file))


def available(cluster: Cluster) -> list[str]:
    """Return the nodes of the Ready pods of the Deployment."""
    pods = cluster.get_json("get", "pods", "-n", NAMESPACE, "-l", f"app={MOVED}")["items"]
    return [
        pod["spec"]["nodeName"]
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
        and {"type": "Ready", "status": "True"}.items()
        <= next(
            (each for each in pod["status"].get("conditions", []) if each["type"] == "Ready"), {}
        ).items()
    ]


def heatgen(cluster: Cluster, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run heatgen on the controller in the directory of the cluster, with its key."""
    return subprocess.run(
        [str(controller.LAB), "shell", "heatgen", *words],
        cwd=cluster.directory, capture_output=True, timeout=controller.SECONDS, check=False,
    )  # fmt: skip


def scaled(cluster: Cluster, count: int, *words: str) -> Cluster:
    """Scale the group `worker`; return the cluster with its new nodes."""
    done = heatgen(cluster, "scale", cluster.name, "worker", str(count), *words)
    assert done.returncode == 0, done.stderr.decode()
    print(done.stderr.decode())
    found = clusters.read(cluster.name)
    health.wait_healthy(found)
    return found


def predicted(cluster: Cluster, change: str, *words: str) -> list[str]:
    """Return the servers for which `heatgen diff` predicts a change, such as REMOVE."""
    done = heatgen(cluster, "diff", cluster.name, "cluster.yaml", "-f", "json", *words)
    rows = json.loads(done.stdout or b"[]")
    return [row["Where"] for row in rows if row["Change"] == change and "Server" in row["What"]]


@pytest.fixture
def three(healthy: Cluster, work: Workload) -> Iterator[Cluster]:
    """Return the cluster with at least three workers in the group; remove the new ones at the end.

    The first worker stays. Indices of workers that earlier runs removed are not used again.
    """
    size, kept = group_size(healthy), {node.name for node in healthy.nodes}
    yield scaled(healthy, size + 2)
    now = clusters.read(healthy.name)
    new = [node.name for node in now.nodes if node.name not in kept]
    if new:
        scaled(now, size, "--yes", "--delete-unmanaged-pods", "--remove", *new)


@pytest.fixture
def moved(three: Cluster, tmp_path: Path) -> Iterator[Target]:
    """Create the Deployment; return the request of a node to its Service."""
    apply(three, tmp_path, *moved_objects())
    words = ["rollout", "status", f"deployment/{MOVED}", "-n", NAMESPACE]
    three.kubectl(*words, "--timeout=180s", "--request-timeout=0")
    service = three.get_json("get", "service", MOVED, "-n", NAMESPACE)
    yield {"name": MOVED, "url": f"http://{service['spec']['clusterIP']}/hostname"}
    for kind in ("deployment", "poddisruptionbudget", "service"):
        three.kubectl("delete", kind, MOVED, "-n", NAMESPACE, "--ignore-not-found")


def victims(cluster: Cluster) -> list[Node]:
    """Return the workers of the group by index: the middle one is removed, the others stay."""
    found = [node for node in cluster.nodes if node.group == "worker"]
    return sorted(found, key=lambda node: int(node.name.rpartition("-")[2]))


@pytest.mark.long
def test_the_middle_worker_is_removed(
    three: Cluster, moved: Target, known_secrets: KnownSecrets, figure: Figure
) -> None:
    """Its pods move first, within their budget; other servers and certificates do not change."""
    workers = victims(three)
    middle, last = workers[-2], workers[-1]
    others = [node for node in three.nodes if node != middle]
    before, kept = servers(three), certificates.installed(others)
    assert middle.name in available(three)
    lowest: list[int] = []
    parameters = (
        f"worker_count={len(workers) - 1}",
        f"worker_removed={add_removed(three, middle)}",
    )
    options = [word for value in parameters for word in ("--parameter", value)]
    assert predicted(three, "REMOVE", *options) == [middle.name]

    def watch() -> None:
        lowest.append(len(available(three)))

    with (
        poll((workers[0], [moved])) as results,
        controller.periodically(watch, 1.0, 30.0),
    ):
        start = time.monotonic()
        smaller = scaled(three, len(workers) - 1, "--yes", "--remove", middle.name)
        seconds = time.monotonic() - start
    figure("named worker removed, seconds", round(seconds, 1))
    figure("service while it is removed", results.seen)
    assert min(lowest) >= REPLICAS - 1, lowest
    assert results.failures(MOVED) <= ERRORS * results.requests(MOVED), str(results)
    after = servers(smaller)
    assert before.items() - after.items() == {(middle.name, before[middle.name])}
    assert certificates.installed(others) == kept
    assert middle.name not in health.node_states(smaller)
    attached = smaller.get_json("get", "volumeattachments")["items"]
    assert not [each for each in attached if each["spec"]["nodeName"] == middle.name]
    assert predicted(smaller, "REMOVE") == []

    # The index is not used again.
    expected = f"{three.name}-worker-{int(last.name.rpartition('-')[2]) + 1}"
    more = predicted(smaller, "add", "--parameter", f"worker_count={len(workers)}")
    assert more == [expected]
    larger = scaled(smaller, len(workers))
    new = {node.name for node in larger.nodes} - {node.name for node in smaller.nodes}
    assert new == {expected}
    assert servers(smaller).items() >= after.items()
    secrets.assert_not_leaked(larger, known_secrets)
    status = heatgen(larger, "status", larger.name)
    assert status.returncode == 0, status.stderr.decode()


def add_removed(cluster: Cluster, node: Node) -> str:
    """Return the value of the parameter that removes one more worker."""
    words = ["openstack", "stack", "show", "-f", "json", "-c", "parameters", cluster.name]
    known = str(json.loads(controller.inside(*words))["parameters"]["worker_removed"])
    return ",".join(filter(None, [known, node.name.rpartition("-")[2]]))


@pytest.mark.long
def test_a_budget_refuses(three: Cluster, moved: Target, figure: Figure) -> None:
    """The command names node and budget, removes nothing, and leaves no node cordoned."""
    middle = victims(three)[-2]
    change = json.dumps({"spec": {"maxUnavailable": 0}})
    three.kubectl("patch", "pdb", MOVED, "-n", NAMESPACE, "--type=merge", f"--patch={change}")
    before = servers(three)
    start = time.monotonic()
    count = str(group_size(three) - 1)
    words = ["scale", three.name, "worker", count, "--yes", "--remove", middle.name]
    done = heatgen(three, *words)
    figure("refused by a budget, seconds", round(time.monotonic() - start, 1))
    text = done.stderr.decode()
    assert done.returncode == REFUSED, text
    assert "error[disruption-budget]" in text
    assert middle.name in text
    assert f"The disruption budget {MOVED} needs" in text
    assert servers(three) == before
    node = three.get_json("get", "node", middle.name)
    assert not node["spec"].get("unschedulable")
    assert controller.stack_status(three.name) in COMPLETE


@pytest.mark.long
def test_two_commands_at_the_same_time(three: Cluster, moved: Target) -> None:
    """The second command reports the first one and changes nothing; the first one succeeds."""
    workers = victims(three)
    words = ["scale", three.name, "worker", str(len(workers) - 1), "--yes", "--remove"]
    first = subprocess.Popen(
        [str(controller.LAB), "shell", "heatgen", *words, workers[-1].name],
        cwd=three.directory, stderr=subprocess.PIPE,
    )  # fmt: skip

    def locked() -> bool:
        lease = ["get", "lease", "heatgen-operation", "-n", "kube-system", "--ignore-not-found"]
        return bool(three.kubectl(*lease, "-o", "name").strip())

    try:
        controller.wait_for("the first command holds the lock", 60, locked, pause=0.5)
        second = heatgen(three, *words, workers[-2].name)
    finally:
        _, errors = first.communicate(timeout=controller.SECONDS)
    text = second.stderr.decode()
    assert second.returncode == 1, text
    assert "operation-in-progress" in text or "stack-not-complete" in text
    assert first.returncode == 0, errors.decode()
    states = health.node_states(three)
    assert workers[-1].name not in states
    assert states[workers[-2].name] == "True"
