# SPDX-License-Identifier: Apache-2.0
"""Plans with nodes of another version than the control plane: of a group, or while it emulates."""

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

SPECS = Path(__file__).parents[3] / "specs" / "good"
CATALOG = block_loader.catalog()


def read(name: str) -> Spec:
    """Read a specification of tests/specs."""
    parsed = document.parse(name, (SPECS / name).read_bytes())
    return read_spec(parsed, CATALOG, block_loader.schema("cluster"))


def planned(spec: Spec) -> Plan:
    """Return the plan of a specification."""
    pins = placeholder_pins(used_blocks(group_blocks(spec, CATALOG)), spec)
    return build_plan(spec, CATALOG, pins, "request")


@pytest.fixture(scope="module")
def own() -> Plan:
    """Return the plan of a cluster of 1.37.2 with a group of 1.36.3."""
    return planned(read("workers-version.yaml"))


@pytest.fixture(scope="module")
def emulating() -> Plan:
    """Return the plan of a cluster of 1.37.2 that behaves as 1.36.3, with a group of 1.35.4."""
    return planned(read("emulate.yaml"))


def test_inputs(own: Plan) -> None:
    """Only the steps of the group have its version, and their nodes fetch only that."""
    inputs = {item.name: item.inputs for item in own.deployments}
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


@pytest.mark.parametrize("name", ["workers-version.yaml", "emulate.yaml"])
def test_lock(name: str) -> None:
    """The lock has only the programs of workers in the older version."""
    names = [item.file for item in pin_requests(read(name), CATALOG) if "/v1.36.3/" in item.name]
    assert names == ["kube-proxy", "kubelet"]


def test_expected_versions(own: Plan) -> None:
    """The suite expects the version of the group on its nodes."""
    text = str(render(own).as_dict()["outputs"]["conformance"])
    assert text.count("'kubernetes': '1.36.3'") == 1


def test_control_plane_that_emulates(emulating: Plan) -> None:
    """API server and controllers have the new version and behave as the old one."""
    inputs = {item.name: item.inputs for item in emulating.deployments}
    for step in ("check", "control"):
        found = inputs[f"orchestration_{step}_control_0"]
        assert (found["KUBERNETES_VERSION"], found["EMULATED_VERSION"]) == ("1.37.2", "1.36.3")
    assert "/v1.37.2/" in str(inputs["orchestration_control_control_0"]["APISERVER_ARTIFACT"])


def test_kubelets_of_a_control_plane_that_emulates(emulating: Plan) -> None:
    """Kubelets keep the old version, on the control plane, too, or have that of their group."""
    inputs = {item.name: item.inputs for item in emulating.deployments}
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


def test_artifacts_of_a_control_plane_that_emulates(emulating: Plan) -> None:
    """Nodes fetch the programs of their version only; the control plane also its new ones."""
    inputs = {item.name: item.inputs for item in emulating.deployments}
    of_control = str(inputs["os_preflight_control_0"]["ARTIFACTS"])
    assert of_control.count("/v1.36.3/") == 2
    assert of_control.count("/v1.37.2/") == 4
    assert "/v1.37.2/" not in str(inputs["os_preflight_workers"]["ARTIFACTS"])


def test_expected_versions_of_a_control_plane_that_emulates(emulating: Plan) -> None:
    """The suite expects the old version on the nodes."""
    facts = str(render(emulating).as_dict()["outputs"]["conformance"])
    # Of the control plane's nodes, and of one group.
    assert facts.count("'kubernetes': '1.36.3'") == 2
    assert "'kubernetes-emulated': '1.36.3'" in facts
