# SPDX-License-Identifier: Apache-2.0
"""Tests of a control plane that behaves as an older version of Kubernetes."""

from pathlib import Path

import pytest

from heatgen.plan.build import build_plan
from heatgen.plan.model import Plan
from heatgen.project import block_loader
from heatgen.project.lock import pin_requests
from heatgen.render.template import render
from heatgen.spec.block_selection import group_blocks, placeholder_pins, used_blocks
from heatgen.spec.model import Spec
from heatgen.spec.reader import read_spec
from heatgen.yamlio import document

FILE = Path(__file__).parents[3] / "specs" / "good" / "emulate.yaml"
CATALOG = block_loader.catalog()


@pytest.fixture(scope="module")
def spec() -> Spec:
    """Return a cluster of 1.37.2 that behaves as 1.36.3, with a group of 1.35.4."""
    parsed = document.parse(FILE.name, FILE.read_bytes())
    return read_spec(parsed, CATALOG, block_loader.schema("cluster"))


@pytest.fixture(scope="module")
def plan(spec: Spec) -> Plan:
    """Return its plan."""
    pins = placeholder_pins(used_blocks(group_blocks(spec, CATALOG)), spec)
    return build_plan(spec, CATALOG, pins, "request")


def test_control_plane(plan: Plan) -> None:
    """API server and controllers have the new version and behave as the old one."""
    inputs = {item.name: item.inputs for item in plan.deployments}
    for step in ("check", "control"):
        found = inputs[f"orchestration_{step}_control_0"]
        assert (found["KUBERNETES_VERSION"], found["EMULATED_VERSION"]) == ("1.37.2", "1.36.3")
    assert "/v1.37.2/" in str(inputs["orchestration_control_control_0"]["APISERVER_ARTIFACT"])


def test_kubelets(plan: Plan) -> None:
    """Kubelets keep the old version, on the control plane, too, or have that of their group."""
    inputs = {item.name: item.inputs for item in plan.deployments}
    for name, version in (
        ("orchestration_node_control_0", "1.36.3"),
        ("orchestration_node_workers", "1.36.3"),
        ("orchestration_node_workers_older", "1.35.4"),
    ):
        assert inputs[name]["KUBELET_VERSION"] == version, name
        for artifact in ("KUBELET_ARTIFACT", "KUBE_PROXY_ARTIFACT"):
            assert f"/v{version}/" in str(inputs[name][artifact]), name
    assert inputs["orchestration_ready_control_0"]["ROLLS"].splitlines() == [
        "control 1 minor 300 1.36.3", "worker 1 minor 300 1.36.3", "older 1 minor 300 1.35.4",
    ]  # fmt: skip


def test_fetched_artifacts(plan: Plan) -> None:
    """Nodes fetch the programs of their version only; the control plane also its new ones."""
    inputs = {item.name: item.inputs for item in plan.deployments}
    of_control = str(inputs["os_preflight_control_0"]["ARTIFACTS"])
    assert of_control.count("/v1.36.3/") == 2
    assert of_control.count("/v1.37.2/") == 4
    assert "/v1.37.2/" not in str(inputs["os_preflight_workers"]["ARTIFACTS"])


def test_lock(spec: Spec) -> None:
    """The lock has the kubelet of the old version."""
    names = [item.file for item in pin_requests(spec, CATALOG) if "/v1.36.3/" in item.name]
    assert names == ["kube-proxy", "kubelet"]


def test_expected_versions(plan: Plan) -> None:
    """The suite expects the old version on the nodes."""
    facts = str(render(plan).as_dict()["outputs"]["conformance"])
    # Of the control plane's nodes, and of one group.
    assert facts.count("'kubernetes': '1.36.3'") == 2
    assert "'kubernetes-emulated': '1.36.3'" in facts
