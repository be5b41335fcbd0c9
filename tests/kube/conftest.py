# SPDX-License-Identifier: Apache-2.0
"""A control plane for the session; nodes for each test."""

from collections.abc import Iterator

import pytest

from heatgen.kube.client import Api
from heatgen.kube.errors import Refused
from tests import programs
from tests.kube import control_plane
from tests.kube.control_plane import Kubelets

NODES = ("w0", "w1", "w2")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Run a control plane."""
    found = programs.search(*control_plane.PROGRAMS)
    with control_plane.running(tmp_path_factory.mktemp("kubernetes"), found) as api:
        yield api


@pytest.fixture
def kubelets(server: Api) -> Iterator[Kubelets]:
    """Run kubelets of three nodes; at the end delete all objects that tests create."""
    for name in NODES:
        control_plane.node(server, name)
    started = Kubelets(server)
    started.running |= set(NODES)
    yield started
    namespace = f"namespaces/{control_plane.NAMESPACE}"
    for path in (
        f"/apis/apps/v1/{namespace}/deployments",
        f"/apis/apps/v1/{namespace}/replicasets",
        f"/apis/policy/v1/{namespace}/poddisruptionbudgets",
        "/apis/storage.k8s.io/v1/volumeattachments",
        f"/api/v1/{namespace}/pods",
        "/api/v1/nodes",
    ):
        for item in server.items(path):
            body = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
            try:
                server.request("DELETE", f"{path}/{item['metadata']['name']}", body)
            except Refused as refused:
                if refused.status != 404:
                    raise
    started.stop()


@pytest.fixture
def api(server: Api, kubelets: Kubelets) -> Api:
    """Return the client of a cluster with three nodes."""
    return server
