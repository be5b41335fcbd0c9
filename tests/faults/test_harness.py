# SPDX-License-Identifier: Apache-2.0
"""The suite itself on real clusters: killed, in one process, disruptive, among strangers."""

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

PLAIN = controller.CHECKOUT / "lab" / "reference_cluster" / "cluster"
SCENE_SECONDS = 60
POLL_SECONDS = 10
STOPPED = ("openstack", "server", "list", "-f", "value", "-c", "Name", "--status", "SHUTOFF")
DISRUPTIVE_SECONDS = 1200


@pytest.fixture
def cluster() -> Cluster:
    """The smallest cluster that stands."""
    standing = clusters.standing()
    if not standing:
        pytest.fail("no cluster stands: run `make demo` first", pytrace=False)
    return standing[0]


@pytest.fixture
def largest() -> Cluster:
    """The largest: some things need three members of etcd."""
    standing = clusters.standing()
    if not standing:
        pytest.fail("no cluster stands: run `make demo-ha` first", pytrace=False)
    return standing[-1]


def verdicts(results: Results) -> dict[str, str]:
    """What each test came to, by its name."""
    return {test.test: test.outcome for test in results.tests}


def namespaces(cluster: Cluster) -> list[str]:
    """The namespaces of runs."""
    words = ["get", "namespaces", "-l", RUN_LABEL, "-o", "name"]
    return cluster.kubectl(*words).split()


def test_what_a_killed_run_left_the_next_one_sweeps(cluster: Cluster, tmp_path: Path) -> None:
    """All its processes get SIGKILL amid its tests; the next run is green, and leaves nothing."""
    assert not namespaces(cluster)
    words = ["--kubeconfig", str(cluster.directory / "kubeconfig")]
    results = tmp_path / "killed.jsonl"
    killed = suite.started(
        [*suite.COMMAND, "conformance/", *suite.ALWAYS, *words, "--results", str(results)]
    )
    try:
        controller.wait_for(
            "tests to be judged",
            SCENE_SECONDS,
            lambda: results.exists() and '"passed"' in results.read_text(),
        )
    finally:
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
    left = namespaces(cluster)
    assert left, "the run had made nothing yet"

    after = suite.on_cluster(cluster, tmp_path, "after")
    assert after.exit == 0, after.printed[-3000:]
    for name in left:
        assert f"swept {name.replace('/', ' ')}" in after.printed
    assert not namespaces(cluster)


def test_one_process_or_several_come_to_the_same_verdicts(cluster: Cluster, tmp_path: Path) -> None:
    """`-n 0` and `-n auto` judge the same tests, all green."""
    several = suite.on_cluster(cluster, tmp_path, "several")
    one = suite.on_cluster(cluster, tmp_path, "one", "-n", "0")
    assert (several.exit, one.exit) == (0, 0), several.printed[-2000:] + one.printed[-2000:]
    assert verdicts(one) == verdicts(several)
    print(f"-n auto {several.seconds:.1f} s, -n 0 {one.seconds:.1f} s")


def booting_again(cluster: Cluster) -> AbstractContextManager[None]:
    """Servers that boot by themselves come back.

    A hypervisor does that in general. Nova's containers do not: it mounts their disks only when it
    starts them, so libvirt finds no system to boot, and Nova calls them stopped.
    """

    def start_the_stopped() -> None:
        stopped = controller.inside(*STOPPED).decode().split()
        for node in cluster.nodes:
            if node.name in stopped:
                power.start(node)

    return controller.periodically(start_the_stopped, POLL_SECONDS, patience=power.START_SECONDS)


def test_what_disrupts_is_borne(largest: Cluster, tmp_path: Path) -> None:
    """Each disruption happens, and all is well after it."""
    with booting_again(largest):
        results = suite.on_cluster(
            largest, tmp_path, "disruptive", "--disruptive", "-m", "disruptive",
            seconds=DISRUPTIVE_SECONDS,
        )  # fmt: skip
    assert results.exit == 0, results.printed[-4000:]
    assert set(verdicts(results).values()) == {"passed"}
    health.wait_healthy(largest)
    for test in results.tests:
        print(f"{test.seconds:6.1f} s  {test.check}")


@pytest.fixture
def plain() -> Iterator[list[str]]:
    """A cluster of plain scripts: other paths and ports, static pods, flannel in kube mode."""
    try:
        subprocess.run([PLAIN, "up"], check=True, stdin=subprocess.DEVNULL, timeout=900)
        yield ["--kubeconfig", str(controller.STATE / "plain" / "kubeconfig")]
    finally:
        subprocess.run([PLAIN, "down"], check=True, stdin=subprocess.DEVNULL, timeout=300)


def test_a_cluster_that_heatgen_did_not_make(plain: list[str], tmp_path: Path) -> None:
    """Nobody says what to expect: it is judged by what it tells, and skips say why."""
    file = tmp_path / "plain.jsonl"
    words = [*suite.COMMAND, "conformance/", *suite.ALWAYS, "-m", "not hardening", *plain]
    ran = subprocess.run(
        [*words, "--results", str(file)], cwd=controller.CHECKOUT, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=suite.SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-4000:]
    print(ran.stdout.rpartition("=== ")[0][-6000:])
