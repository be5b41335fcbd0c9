# SPDX-License-Identifier: Apache-2.0
"""A control plane that behaves as the previous minor version of Kubernetes, on its own data."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from heatgen.kube.client import Api
from tests import programs
from tests.kube import control_plane
from tests.kube.control_plane import NAMESPACE, create, deployment, node

DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def minors(api: Api) -> tuple[int, int]:
    """Return the minor versions of the API server: its own, and the one as which it behaves."""
    info = api.get("/version")
    return int(info["minor"]), int(info["emulationMinor"])


def wait_for(done: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    limit = time.monotonic() + 180
    while not done():
        assert time.monotonic() < limit, "timed out"
        time.sleep(0.5)


def assigned(api: Api, replicas: int) -> Callable[[], bool]:
    """Return a condition: controllers and scheduler have assigned this number of pods."""
    return lambda: sum("nodeName" in pod["spec"] for pod in api.items(PODS)) == replicas


@pytest.fixture(scope="module")
def found() -> dict[str, Path]:
    """Return the programs."""
    return programs.search(*control_plane.PROGRAMS)


@pytest.fixture(scope="module")
def before(found: dict[str, Path]) -> int:
    """Return the minor version before that of the programs."""
    words = [str(found["kube-apiserver"]), "--version"]
    printed = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
    return int(printed.split("v1.")[1].split(".")[0]) - 1


def test_both_steps(found: dict[str, Path], before: int, tmp_path: Path) -> None:
    """All components accept the option, work with it, and continue without it."""
    option = f"--emulated-version=1.{before}"
    with control_plane.running(tmp_path, found, option) as api:
        assert minors(api) == (before + 1, before)
        node(api, "w0")
        create(api, deployment("web", 2))
        wait_for(assigned(api, 2))
    with control_plane.running(tmp_path, found) as api:
        assert minors(api) == (before + 1, before + 1)
        api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}})
        wait_for(assigned(api, 3))


def test_return_to_the_older_version(found: dict[str, Path], before: int, tmp_path: Path) -> None:
    """After the first step, the older programs continue with the data of the newer ones."""
    older = programs.older("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    with control_plane.running(tmp_path, found, f"--emulated-version=1.{before}") as api:
        node(api, "w0")
        create(api, deployment("web", 2))
        wait_for(assigned(api, 2))
    with control_plane.running(tmp_path, {**found, **older}) as api:
        assert minors(api) == (before, before)
        api.patch(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}})
        wait_for(assigned(api, 3))
