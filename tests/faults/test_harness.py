# SPDX-License-Identifier: Apache-2.0
"""The suite on real clusters: after a kill, in one process, disruptive, on a foreign cluster."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from conformance.manifests.base import RUN_LABEL
from lab.faultinjection import clusters, suite
from lab.faultinjection.results import Results
from lab.harness import controller, health, power
from lab.harness.cluster import Cluster

REFERENCE = controller.CHECKOUT / "lab" / "reference_cluster" / "cluster"
FIRST_RESULT_SECONDS = 60
POLL_SECONDS = 10
STOPPED = ("openstack", "server", "list", "-f", "value", "-c", "Name", "--status", "SHUTOFF")
DISRUPTIVE_SECONDS = 1200


@pytest.fixture
def cluster() -> Cluster:
    """Return the smallest running cluster."""
    running = clusters.running()
    if not running:
        pytest.fail("no cluster is running: run `make demo` first", pytrace=False)
    return running[0]


@pytest.fixture
def largest() -> Cluster:
    """Return the largest running cluster: disruptions need three etcd members."""
    running = clusters.running()
    if not running:
        pytest.fail("no cluster is running: run `make demo-ha` first", pytrace=False)
    return running[-1]


def outcomes(results: Results) -> dict[str, str]:
    """Return the outcome of each test, by name."""
    return {test.test: test.outcome for test in results.tests}


def namespaces(cluster: Cluster) -> list[str]:
    """Return the namespaces of runs."""
    arguments = ["get", "namespaces", "-l", RUN_LABEL, "-o", "name"]
    return cluster.kubectl(*arguments).split()


def test_leftovers_of_a_killed_run_are_deleted(cluster: Cluster, tmp_path: Path) -> None:
    """After SIGKILL during its tests, the next run passes and deletes all namespaces."""
    assert not namespaces(cluster)
    options = ["--kubeconfig", str(cluster.directory / "kubeconfig")]
    results = tmp_path / "killed.jsonl"
    killed = suite.start(
        [*suite.COMMAND, "conformance/", *suite.ALWAYS, *options, "--results", str(results)]
    )
    try:
        controller.wait_for(
            "a passed test",
            FIRST_RESULT_SECONDS,
            lambda: results.exists() and '"passed"' in results.read_text(),
        )
    finally:
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
    left = namespaces(cluster)
    assert left, "the run had not created a namespace yet"

    after = suite.on_cluster(cluster, tmp_path, "after")
    assert after.exit == 0, after.printed[-3000:]
    for name in left:
        assert f"swept {name.replace('/', ' ')}" in after.printed
    assert not namespaces(cluster)


def test_number_of_processes_does_not_matter(cluster: Cluster, tmp_path: Path) -> None:
    """`-n 0` and `-n auto` run the same tests, and all pass."""
    several = suite.on_cluster(cluster, tmp_path, "several")
    one = suite.on_cluster(cluster, tmp_path, "one", "-n", "0")
    assert (several.exit, one.exit) == (0, 0), several.printed[-2000:] + one.printed[-2000:]
    assert outcomes(one) == outcomes(several)
    print(f"-n auto {several.seconds:.1f} s, -n 0 {one.seconds:.1f} s")


def stopped_servers_restarted(cluster: Cluster) -> AbstractContextManager[None]:
    """Start servers again that rebooted by themselves.

    Virtual machines simply reboot. Nova's containers stop: Nova mounts their disks only when it
    starts them, so libvirt finds no system to boot.
    """

    def start_stopped() -> None:
        stopped = controller.inside(*STOPPED).decode().split()
        for node in cluster.nodes:
            if node.name in stopped:
                power.start(node)

    return controller.periodically(start_stopped, POLL_SECONDS, patience=power.START_SECONDS)


def test_disruptive_checks_pass(largest: Cluster, tmp_path: Path) -> None:
    """Each disruption takes place, and the cluster is healthy afterwards."""
    with stopped_servers_restarted(largest):
        results = suite.on_cluster(
            largest, tmp_path, "disruptive", "--disruptive", "-m", "disruptive",
            seconds=DISRUPTIVE_SECONDS,
        )  # fmt: skip
    assert results.exit == 0, results.printed[-4000:]
    assert set(outcomes(results).values()) == {"passed"}
    health.wait_healthy(largest)
    for test in results.tests:
        print(f"{test.seconds:6.1f} s  {test.check}")


@pytest.fixture
def reference_cluster() -> Iterator[list[str]]:
    """Create a cluster with other paths and ports, static pods, and flannel in kube mode."""
    try:
        subprocess.run([REFERENCE, "up"], check=True, stdin=subprocess.DEVNULL, timeout=900)
        yield ["--kubeconfig", str(controller.STATE / "plain" / "kubeconfig")]
    finally:
        subprocess.run([REFERENCE, "down"], check=True, stdin=subprocess.DEVNULL, timeout=300)


def test_cluster_not_created_by_heatgen(reference_cluster: list[str], tmp_path: Path) -> None:
    """Without `--expect` the suite passes on such a cluster, and skips have reasons."""
    file = tmp_path / "plain.jsonl"
    options = ["-m", "not hardening", *reference_cluster]
    ran = subprocess.run(
        [*suite.COMMAND, "conformance/", *suite.ALWAYS, *options, "--results", str(file)],
        cwd=controller.CHECKOUT, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=suite.SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-4000:]
    print(ran.stdout.rpartition("=== ")[0][-6000:])
