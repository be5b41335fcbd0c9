# SPDX-License-Identifier: Apache-2.0
"""Stacks with names that Heat accepts and Kubernetes does not become healthy clusters."""

import json
import time
from pathlib import Path

import pytest

from lab.harness import controller, health, small_cluster
from lab.harness.figures import Figure

pytestmark = [pytest.mark.usefixtures("cloud"), pytest.mark.long]

LONG = "Team_A.production-kubernetes-cluster-in-region-one-blue-0042"
"""60 characters: Nova cuts the host names of its servers, so that they are equal."""
NAMES = {
    "My_Stack": ["my-stack-control-0", "my-stack-worker-0"],
    "MyCluster": ["mycluster-control-0", "mycluster-worker-0"],
    "team.demo": ["team-demo-control-0", "team-demo-worker-0"],
    LONG: ["team-a-production-kuber-", "team-a-production-kuber-"],
}


@pytest.mark.parametrize("name", NAMES)
def test_stack_name(name: str, tmp_path: Path, report: Figure) -> None:
    """`openstack stack create` with this name succeeds, and the suite passes on the cluster."""
    directory = small_cluster.write(tmp_path)
    template = small_cluster.render(directory)
    began = time.monotonic()
    with controller.stack(name, template) as status:
        seconds = time.monotonic() - began
        assert status == "CREATE_COMPLETE", controller.failures(name)
        report(f"seconds to create {name}", round(seconds))
        config = small_cluster.kubeconfig(name, directory)
        words = ["kubectl", "--kubeconfig", str(config), "get", "nodes", "-o", "json"]
        found = json.loads(controller.inside(*words))["items"]
        names = sorted(node["metadata"]["name"] for node in found)
        for node, start in zip(names, NAMES[name], strict=True):
            assert node.startswith(start)
            assert len(node) <= 52
        began = time.monotonic()
        health.run_suite(name, directory)
        report(f"seconds of the suite on {name}", round(time.monotonic() - began))
