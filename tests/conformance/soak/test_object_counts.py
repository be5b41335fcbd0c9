# SPDX-License-Identifier: Apache-2.0
"""How many objects a cluster has."""

from datetime import UTC, datetime
from pathlib import Path

from conformance.api.client import Cluster
from conformance.soak import driver, object_counts
from tests.conformance.conftest import kubeconfig
from tests.conformance.fake_api import FakeApi, serving


def test_census_counts_and_names(tmp_path: Path) -> None:
    """Kinds are counted, restarts summed up, and what may not be listed is left out."""
    with serving(FakeApi()) as api:
        api.add_node("a", "192.0.2.10")
        api.add_namespace("kube-system", {}, datetime.now(UTC))
        api.objects["/api/v1/namespaces/kube-system"]["metadata"]["uid"] = "u-1"
        cluster = Cluster(kubeconfig(tmp_path, api.server))
        assert object_counts.identity(cluster) == "u-1"
        assert object_counts.counts(cluster)["nodes"] == 1
        assert object_counts.names(cluster)["namespaces"] == {"kube-system"}
        assert "runtime classes" not in object_counts.counts(cluster)
    before = {"namespaces": {"kube-system"}}
    after = {"namespaces": {"kube-system", "conformance-x"}, "unknown before": {"y"}}
    assert driver.new_names(before, after) == ["namespaces: conformance-x"]
