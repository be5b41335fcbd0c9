# SPDX-License-Identifier: Apache-2.0
"""What the API says of nodes, kubelets and leaders, as facts."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance.api import core_resources
from conformance.api.client import ApiStatusError, Cluster
from conformance.facts.model import Leader

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class FakeCluster(Cluster):
    """A cluster that answers from a table."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def now(self) -> datetime:
        """A fixed time."""
        return NOW

    def get(self, path: str, **_: str) -> Any:
        """The answer, or 404."""
        if path not in self.answers:
            raise ApiStatusError(404, f"{path} not found")
        return self.answers[path]


def test_kubelets_configuration_holds_what_rules_ask_for_only() -> None:
    """Nested keys are joined, lists too; anything else the kubelet tells is not kept."""
    config = {
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": "/ca"}},
        "readOnlyPort": 10255,
        "staticPodURLHeader": {"Authorization": ["Bearer x"]},
    }
    cluster = FakeCluster({"/api/v1/nodes/a/proxy/configz": {"kubeletconfig": config}})
    told = core_resources.kubelet_config(cluster, "a")
    assert told == {
        "authentication.anonymous.enabled": "false",
        "authentication.x509.clientCAFile": "/ca",
        "readOnlyPort": "10255",
    }
    assert "Bearer" not in json.dumps(told)


def test_leaders_are_told_by_their_age() -> None:
    """By the API's clock; a lease that is not there is left out, one never renewed is very old."""
    renewed = (NOW - timedelta(seconds=4)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "a_1", "renewTime": renewed, "leaseDurationSeconds": 15}
    at = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
    told = core_resources.leaders(FakeCluster({f"{at}/kube-scheduler": {"spec": spec}}))
    assert told == {"kube-scheduler": Leader(holder="a_1", age=4.0, term=15.0, renewed=renewed)}
    told = core_resources.leaders(FakeCluster({f"{at}/kube-scheduler": {"spec": {}}}))
    assert told["kube-scheduler"].age > 1e9


def test_quantities_are_numbers() -> None:
    """Kubernetes' ways to write an amount."""
    amounts = {"1930m": 1.93, "2": 2, "2048Mi": 2**31, "1k": 1000, "3Gi": 3 * 2**30}
    assert {text: core_resources.quantity(text) for text in amounts} == amounts
