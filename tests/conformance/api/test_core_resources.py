# SPDX-License-Identifier: Apache-2.0
"""Readers of kubelet configuration, Leases and quantities."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.api import core_resources
from conformance.api.client import ApiStatusError, Cluster
from conformance.facts.model import Leader

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class FakeCluster(Cluster):
    """A cluster that responds from a table."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def now(self) -> datetime:
        """Return a fixed time."""
        return NOW

    def get(self, path: str, **_: str) -> Any:
        """Return the response, or 404."""
        if path not in self.answers:
            raise ApiStatusError(404, f"{path} not found")
        return self.answers[path]


def test_kubelet_configuration_contains_only_keys_of_rules() -> None:
    """Nested keys and lists are joined; other keys, such as tokens, are dropped."""
    config = {
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": "/ca"}},
        "readOnlyPort": 10255,
        "staticPodURLHeader": {"Authorization": ["Bearer x"]},
    }
    cluster = FakeCluster({"/api/v1/nodes/a/proxy/configz": {"kubeletconfig": config}})
    found = core_resources.kubelet_config(cluster, "a")
    assert found == {
        "authentication.anonymous.enabled": "false",
        "authentication.x509.clientCAFile": "/ca",
        "readOnlyPort": "10255",
    }
    assert "Bearer" not in json.dumps(found)


def test_leaders_have_an_age() -> None:
    """By the API server's clock; missing Leases are omitted, one never renewed is very old."""
    renewed = (NOW - timedelta(seconds=4)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "a_1", "renewTime": renewed, "leaseDurationSeconds": 15}
    at = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    found = core_resources.leaders(FakeCluster({f"{at}/kube-scheduler": {"spec": spec}}))
    assert found == {"kube-scheduler": Leader(holder="a_1", age=4.0, term=15.0, renewed=renewed)}
    found = core_resources.leaders(FakeCluster({f"{at}/kube-scheduler": {"spec": {}}}))
    assert found["kube-scheduler"].age > 1e9


def test_quantities_are_numbers() -> None:
    """Decimal and binary suffixes are converted."""
    amounts = {"1930m": 1.93, "2": 2, "2048Mi": 2**31, "1k": 1000, "3Gi": 3 * 2**30}
    assert {text: core_resources.quantity(text) for text in amounts} == amounts
