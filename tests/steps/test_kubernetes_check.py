# SPDX-License-Identifier: Apache-2.0
"""Tests of the step orchestration/check, which refuses changes that break a running cluster."""

from __future__ import annotations

import pytest

from .conftest import HOT, Result, Sandbox

SCRIPT = HOT / "blocks/orchestration/kubernetes/01-check.sh"


def run(
    sandbox: Sandbox,
    version: str = "1.37.2",
    services: str = "10.96.0.0/16",
    pods: str = "10.244.0.0/16",
) -> Result:
    """Run the step."""
    return sandbox.run(SCRIPT, KUBERNETES_VERSION=version, SERVICES_CIDR=services, PODS_CIDR=pods)


@pytest.fixture
def running(sandbox: Sandbox) -> Sandbox:
    """Return a control-plane node of a cluster of Kubernetes 1.36.3."""
    # The first run creates the system directories.
    assert run(sandbox).status == 0
    etc = sandbox.file("/etc/kubernetes")
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "control.env").write_text("NODE_ADDRESS=192.0.2.10\nSERVICES_CIDR=10.96.0.0/16\n")
    (etc / "kube-proxy.json").write_text('{\n "clusterCIDR": "10.244.0.0/16"\n}\n')
    link = sandbox.file("/opt/heatgen/bin/kube-apiserver")
    link.symlink_to("/opt/heatgen/kubernetes/1.36.3/kube-apiserver")
    return sandbox


@pytest.mark.parametrize("version", ["1.36.3", "1.36.1", "1.36.10", "1.37.0"])
def test_allowed_versions(running: Sandbox, version: str) -> None:
    """The same minor version and the next one are allowed, with any patch."""
    result = run(running, version)
    assert result.status == 0, result.problem or result.stderr


@pytest.mark.parametrize("version", ["1.35.9", "1.38.0", "2.36.0", "1.9.0"])
def test_refused_versions(running: Sandbox, version: str) -> None:
    """A skipped or older minor version is refused."""
    result = run(running, version)
    assert result.status == 1
    assert (
        f"orchestration.version of a running cluster cannot be changed from 1.36.3 to {version}"
        in (result.problem)
    )
    assert "1.36.x or 1.37.x" in result.problem


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("orchestration.services", {"services": "10.97.0.0/16"}),
        ("network.pods", {"pods": "10.200.0.0/16"}),
    ],
)
def test_changed_network(running: Sandbox, name: str, changes: dict[str, str]) -> None:
    """Another network is refused."""
    result = run(running, "1.36.3", **changes)
    assert result.status == 1
    assert result.problem.startswith(f"{name} of a running cluster cannot be changed (from 10.")
