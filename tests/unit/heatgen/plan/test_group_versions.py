# SPDX-License-Identifier: Apache-2.0
"""Tests of groups of workers with a version of Kubernetes of their own."""

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

FILE = Path(__file__).parents[3] / "specs" / "good" / "workers-version.yaml"
CATALOG = block_loader.catalog()


@pytest.fixture(scope="module")
def spec() -> Spec:
    """Return a cluster of 1.37.2 with a group of 1.36.3."""
    parsed = document.parse(FILE.name, FILE.read_bytes())
    return read_spec(parsed, CATALOG, block_loader.schema("cluster"))


@pytest.fixture(scope="module")
def plan(spec: Spec) -> Plan:
    """Return its plan."""
    pins = placeholder_pins(used_blocks(group_blocks(spec, CATALOG)), spec)
    return build_plan(spec, CATALOG, pins, "request")


def test_inputs(plan: Plan) -> None:
    """Only the steps of the group have its version, and their nodes fetch only that."""
    inputs = {item.name: item.inputs for item in plan.deployments}
    for name, version in (
        ("orchestration_node_control_0", "1.37.2"),
        ("orchestration_node_workers_canary", "1.37.2"),
        ("orchestration_node_workers", "1.36.3"),
    ):
        assert inputs[name]["KUBELET_VERSION"] == version, name
    assert inputs["orchestration_ready_control_0"]["KUBERNETES_VERSION"] == "1.37.2"
    assert "/v1.36.3/bin/linux/amd64/kubelet " in str(
        inputs["orchestration_node_workers"]["KUBELET_ARTIFACT"]
    )
    artifacts = str(inputs["os_preflight_workers"]["ARTIFACTS"])
    assert "/v1.36.3/" in artifacts
    assert "/v1.37.2/" not in artifacts
    assert inputs["orchestration_ready_control_0"]["ROLLS"].splitlines() == [
        "control 1 minor 300 1.37.2", "canary 1 minor 300 1.37.2", "worker 2 minor 300 1.36.3",
    ]  # fmt: skip


def test_lock(spec: Spec) -> None:
    """The lock has only the programs of workers in the version of the group."""
    names = [item.file for item in pin_requests(spec, CATALOG) if "/v1.36.3/" in item.name]
    assert names == ["kube-proxy", "kubelet"]


def test_expected_versions(plan: Plan) -> None:
    """The suite expects the version of the group on its nodes."""
    text = str(render(plan).as_dict()["outputs"]["conformance"])
    assert text.count("'kubernetes': '1.36.3'") == 1
