# SPDX-License-Identifier: Apache-2.0
"""Object counts of a cluster."""

from datetime import UTC, datetime
from pathlib import Path

from conformance.api.client import Cluster
from conformance.soak import driver, object_counts
from tests.conformance.conftest import kubeconfig
from tests.conformance.fake_api import FakeApi, serving


def test_counts_and_names(tmp_path: Path) -> None:
    """Objects are counted by kind, without kinds that cannot be listed; new names are found."""
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
