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
    emulated: str = "",
) -> Result:
    """Run the step."""
    return sandbox.run(
        SCRIPT,
        KUBERNETES_VERSION=version,
        EMULATED_VERSION=emulated,
        SERVICES_CIDR=services,
        PODS_CIDR=pods,
    )


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


def behaves_as(sandbox: Sandbox, version: str, minor: str) -> None:
    """Have the node run this version, which behaves as the minor version."""
    link = sandbox.file("/opt/heatgen/bin/kube-apiserver")
    link.unlink()
    link.symlink_to(f"/opt/heatgen/kubernetes/{version}/kube-apiserver")
    with sandbox.file("/etc/kubernetes/control.env").open("a") as file:
        file.write(f"EFFECTIVE_VERSION={minor}\n")


@pytest.mark.parametrize(
    ("version", "emulated"),
    [
        ("1.37.2", "1.36.3"),
        # The second step of the update.
        ("1.37.2", ""),
        # Back to the version before.
        ("1.36.3", ""),
        ("1.36.1", "1.36.1"),
        # The first step of the next update.
        ("1.38.0", "1.37.2"),
    ],
)
def test_changes_while_it_behaves_as_an_older_version(
    running: Sandbox, version: str, emulated: str
) -> None:
    """A control plane that behaves as 1.36 can continue to 1.37, and can return to 1.36."""
    behaves_as(running, "1.37.2", "1.36")
    result = run(running, version, emulated=emulated)
    assert result.status == 0, result.problem or result.stderr


@pytest.mark.parametrize(
    ("now", "behavior", "version", "emulated"),
    [
        # It has behaved as 1.37.
        ("1.37.2", "1.37", "1.36.3", ""),
        ("1.37.2", "1.37", "1.37.2", "1.36.3"),
        ("1.36.3", "1.36", "1.36.3", "1.35.4"),
        # It never behaved as 1.37.
        ("1.37.2", "1.36", "1.38.0", ""),
        ("1.37.2", "1.36", "1.35.4", ""),
        # It skips a minor version.
        ("1.36.3", "1.36", "1.38.0", "1.37.2"),
        ("1.35.4", "1.35", "1.37.2", "1.36.3"),
    ],
)
def test_refused_changes_of_behavior(
    running: Sandbox, now: str, behavior: str, version: str, emulated: str
) -> None:
    """Neither version nor behavior skips a minor version, and the behavior never becomes older."""
    behaves_as(running, now, behavior)
    result = run(running, version, emulated=emulated)
    assert result.status == 1
    assert f"cannot be changed from {now}" in result.problem


METRICS = (
    'apiserver_requested_deprecated_apis{group="",removed_release="",resource="componentstatuses",'
    'subresource="",version="v1"} 1\n'
    'apiserver_requested_deprecated_apis{group="storage.k8s.io",removed_release="1.37",'
    'resource="volumeattributesclasses",subresource="",version="v1beta1"} 1\n'
    'apiserver_requested_deprecated_apis{group="example.k8s.io",removed_release="1.38",'
    'resource="examples",subresource="",version="v1beta1"} 1\n'
    'apiserver_request_total{group="other",removed_release="1.37",version="v1"} 7\n'
)
# The API server and its nodes.
STUBS = """
mkdir -p /run/stub /opt/heatgen/bin
printf '%s\\n' '#!/bin/bash' '[ -n "$METRICS" ] || exit 7' 'printf %s "$METRICS"' >/run/stub/curl
printf '%s\\n' '#!/bin/bash' 'printf %b "$KUBELETS"' >/opt/heatgen/bin/kubectl
chmod +x /run/stub/curl /opt/heatgen/bin/kubectl
export PATH=/run/stub:$PATH
"""


def upgrade(
    sandbox: Sandbox,
    version: str,
    metrics: str = "x 1\n",
    kubelets: str = "demo-worker-0 v1.36.3\\n",
    emulated: str = "",
) -> Result:
    """Run the step on a node with this API server."""
    script = sandbox.folder / "check.sh"
    script.write_text(f"#!/bin/bash\nset -eu\n{STUBS}\nexec /bin/bash {SCRIPT}\n")
    return sandbox.run(
        script,
        KUBERNETES_VERSION=version,
        EMULATED_VERSION=emulated,
        SERVICES_CIDR="10.96.0.0/16",
        PODS_CIDR="10.244.0.0/16",
        METRICS=metrics,
        KUBELETS=kubelets,
    )


def test_removed_apis_in_use(running: Sandbox) -> None:
    """An update to a version without an API that clients use is refused, and names the API."""
    result = upgrade(running, "1.37.2", METRICS)
    assert result.status == 1
    found = "volumeattributesclasses of storage.k8s.io/v1beta1 (removed in 1.37)"
    assert f"does not have APIs that clients of this cluster use: {found}. " in result.problem


@pytest.mark.parametrize(
    ("version", "metrics"),
    [("1.36.4", METRICS), ("1.37.2", METRICS.replace('"1.37"', '"1.39"')), ("1.37.2", "")],
    ids=["patch", "later", "no-api-server"],
)
def test_apis_that_remain(running: Sandbox, version: str, metrics: str) -> None:
    """APIs that a later version removes, and all in an update to a patch, are accepted."""
    result = upgrade(running, version, metrics)
    assert result.status == 0, result.problem or result.stderr


def test_removed_apis_matter_when_the_behavior_changes(running: Sandbox) -> None:
    """They remain while the control plane behaves as the former version."""
    assert upgrade(running, "1.37.2", METRICS, emulated="1.36.3").status == 0
    behaves_as(running, "1.37.2", "1.36")
    result = upgrade(running, "1.37.2", METRICS)
    assert result.status == 1
    assert "(removed in 1.37)" in result.problem


def test_kubelets_that_are_too_old(running: Sandbox) -> None:
    """An API server more than three minor versions above a kubelet is refused, naming the node."""
    kubelets = "demo-worker-0 v1.36.3\\ndemo-worker-1 v1.33.9\\ndemo-worker-2 v1.34.0\\n"
    result = upgrade(running, "1.37.2", kubelets=kubelets)
    assert result.status == 1
    assert "older: demo-worker-1 (v1.33.9), 1 in total. Update these nodes first" in result.problem
