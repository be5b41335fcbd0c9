# SPDX-License-Identifier: Apache-2.0
"""If a layer fails, the stack fails within minutes, and Heat reports layer, node and reason."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from lab.harness import controller, health, small_cluster
from lab.harness.cluster import Cluster

MINUTES = 10
LARGE = controller.CHECKOUT / "lab" / "cluster-ha.yaml"
LOCK = "cluster.lock.yaml"
CONTAINERD = re.compile(r"(\S*containerd-[\d.]+-linux-amd64\.tar\.gz: \"?)[0-9a-f]{64}")
MIRROR = "http://203.0.113.1:8080/"


@pytest.fixture
def small(cluster: Cluster, tmp_path: Path) -> Path:
    """Return a directory with the small cluster, with one worker and another node network."""
    small_cluster.write(tmp_path)
    return tmp_path


def test_a_wrong_checksum_fails_the_runtime_layer(small: Path) -> None:
    """If a file differs from the lock, the runtime layer reports both checksums and the node."""
    lock = small / LOCK
    broken, count = CONTAINERD.subn(rf"\g<1>{'0' * 64}", lock.read_text())
    assert count == 1
    lock.write_text(broken)
    template = small_cluster.render(small)
    began = time.monotonic()
    with controller.stack("broken", template) as status:
        seconds = time.monotonic() - began
        assert status == "CREATE_FAILED"
        failures = controller.failures("broken")
    reason = r"runtime/start on broken-(control|worker)-0: checksum of \S+containerd"
    assert re.search(reason, failures)
    assert "0" * 64 in failures
    assert seconds < MINUTES * 60
    print(f"CREATE_FAILED after {seconds:.0f} s")


@pytest.fixture
def docker(small: Path) -> Path:
    """Return the same with Docker on all nodes."""
    # `make demo` does not build Docker.
    controller.run(controller.CHECKOUT / "lab" / "artifacts" / "build", "--out", controller.STATE)
    spec = yaml.safe_load((small / small_cluster.SPEC).read_text())
    spec["runtime"] = {"use": "docker"}
    del spec["overrides"]["containerd"]
    spec["overrides"]["docker"] = yaml.safe_load(LARGE.read_text())["overrides"]["docker"]
    (small / small_cluster.SPEC).write_text(yaml.safe_dump(spec))
    controller.inside("heatgen", "lock", small / small_cluster.SPEC)
    return small


@contextmanager
def without_mirror(template: Path) -> Iterator[tuple[str, str]]:
    """Create a stack while the mirror is stopped; yield its status and its failures."""
    with ExitStack() as cleanup:
        with controller.stopped("mirror"):
            status = cleanup.enter_context(controller.stack("mirrorless", template))
        yield status, controller.failures("mirrorless")


def test_an_unreachable_mirror_fails_the_preflight(small: Path) -> None:
    """If the mirror is not running, os/preflight on the node reports the URL."""
    template = small_cluster.render(small)
    began = time.monotonic()
    with without_mirror(template) as (status, failures):
        seconds = time.monotonic() - began
    assert status == "CREATE_FAILED"
    reason = "os/preflight on mirrorless-(control|worker)-0: cannot reach "
    assert re.search(rf"{reason}{re.escape(MIRROR)}\S+", failures)
    assert seconds < MINUTES * 60
    print(f"CREATE_FAILED after {seconds:.0f} s")


@pytest.mark.long
def test_a_failed_stack_is_completed_by_an_update(docker: Path) -> None:
    """After the mirror is restored, an update of the stack repeats the failed steps.

    The suite passes on the resulting cluster, here with Docker on all nodes.
    """
    with without_mirror(small_cluster.render(docker)) as (status, _):
        assert status == "CREATE_FAILED"
        controller.inside("openstack", "stack", "update", "--existing", "--wait", "mirrorless")
        assert controller.stack_status("mirrorless") == "UPDATE_COMPLETE"
        words = ["kubeconfig", "mirrorless", "-o", "kubeconfig"]
        controller.inside("heatgen", *words, directory=docker)
        health.run_suite("mirrorless", docker)
