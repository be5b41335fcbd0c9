# SPDX-License-Identifier: Apache-2.0
"""Readers of webhooks, APIServices, bindings, terminating namespaces and Leases."""

from datetime import timedelta
from typing import Any

import pytest

from conformance.api import cluster_resources
from conformance.facts.cluster_resources import ApiService, Right
from conformance.facts.model import Leader, NodeStatus
from conformance.outcome import Unavailable
from tests.conformance.api.fake_cluster import NOW, FakeCluster, Json

ADMISSION, RBAC = cluster_resources.ADMISSION, cluster_resources.RBAC


def test_only_required_webhooks_are_returned() -> None:
    """A webhook with ``failurePolicy: Ignore`` is skipped; ready endpoints are counted."""

    def hook(name: str, **rest: Any) -> Json:
        rule = {"operations": ["CREATE"], "resources": ["pods"]}
        client = {"service": {"namespace": "ns", "name": "svc"}}
        return {"name": name, "clientConfig": client, "rules": [rule], **rest}

    validating = {
        "metadata": {"name": "v"},
        "webhooks": [hook("required"), hook("optional", failurePolicy="Ignore")],
    }
    mutating = {
        "metadata": {"name": "m"},
        "webhooks": [hook("by-url", clientConfig={"url": "https://192.0.2.1/"})],
    }
    slices = {"items": [{"endpoints": [{"conditions": {"ready": True}}, {}]}, {"endpoints": None}]}
    cluster: Any = FakeCluster(
        {
            f"{ADMISSION}/validatingwebhookconfigurations": {"items": [validating]},
            f"{ADMISSION}/mutatingwebhookconfigurations": {"items": [mutating]},
            "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices": slices,
        }
    )
    by_url, required = cluster_resources.webhooks(cluster)
    assert (required.name, required.service, required.endpoints) == ("v: required", "ns/svc", 2)
    assert required.asked_about == "CREATE pods"
    assert (by_url.name, by_url.service) == ("m: by-url", "")


def test_unavailable_api_service_has_a_problem() -> None:
    """The problem is reason and message of the condition; empty if Available is True."""
    condition = {"type": "Available", "status": "False", "reason": "Missing", "message": "none"}
    plain = {
        "metadata": {"name": "v1.x"},
        "spec": {"service": {"namespace": "ns", "name": "svc"}},
        "status": {"conditions": [condition]},
    }
    found = cluster_resources.api_service(plain)
    assert found == ApiService("v1.x", "ns/svc", "Missing: none")
    condition["status"] = "True"
    assert cluster_resources.api_service(plain).problem == ""
    assert cluster_resources.api_service(plain | {"status": {}}).problem != ""


def test_bindings_of_general_groups_are_returned() -> None:
    """Rules of roles bound to groups that contain every account, without self reviews."""

    def bound(name: str, role: Json, subject: str, **metadata: str) -> Json:
        subjects = [{"kind": "Group", "name": subject}]
        return {"metadata": {"name": name, **metadata}, "roleRef": role, "subjects": subjects}

    wide, own = {"kind": "ClusterRole", "name": "wide"}, {"kind": "Role", "name": "own"}
    missing = {"kind": "ClusterRole", "name": "missing"}
    review = {"verbs": ["create"], "resources": ["selfsubjectreviews"]}
    cluster: Any = FakeCluster(
        {
            f"{RBAC}/clusterrolebindings": {
                "items": [
                    bound("a", wide, "system:unauthenticated"),
                    bound("b", wide, "system:masters"),
                    bound("c", missing, "system:authenticated"),
                ]
            },
            f"{RBAC}/rolebindings": {
                "items": [bound("d", own, "system:serviceaccounts", namespace="ns")]
            },
            f"{RBAC}/clusterroles/wide": {"rules": [{"verbs": ["get"], "resources": ["pods"]}]},
            f"{RBAC}/namespaces/ns/roles/own": {
                "rules": [review, {"verbs": ["get"], "nonResourceURLs": ["/api"]}]
            },
        }
    )
    found = {each.name: each for each in cluster_resources.bindings(cluster)}
    assert set(found) == {"a", "c", "d"}
    assert found["a"].rights == [Right(["get"], ["pods"])]
    assert found["c"].rights == []
    assert (found["d"].namespace, found["d"].rights) == ("ns", [Right(["get"], ["/api"])])


def test_terminating_namespace_has_age_and_reasons() -> None:
    """The age is by the API server's clock; only conditions that are True are reasons."""
    since = (NOW - timedelta(seconds=70)).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "x has them"},
        {"type": "NamespaceContentRemaining", "status": "False", "message": "none remain"},
    ]
    plain = {
        "metadata": {"name": "old", "deletionTimestamp": since},
        "status": {"conditions": conditions},
    }
    found = cluster_resources.ending(plain, NOW)
    assert (found.namespace, found.seconds) == ("old", 70.0)
    assert found.reasons == {"NamespaceFinalizersRemaining": "x has them"}


@pytest.mark.parametrize(
    ("second", "moved"),
    [
        (Leader(holder="a", age=1.0, term=15.0, renewed="t2"), True),
        (Leader(holder="a", age=20.0, term=15.0, renewed="t1"), False),
    ],
    ids=["renewed", "expired"],
)
def test_lease_is_observed_until_renewed_or_expired(
    monkeypatch: pytest.MonkeyPatch, second: Leader, moved: bool
) -> None:
    """``moved`` is true if the Lease was renewed, and false if it expired."""
    first = Leader(holder="a", age=5.0, term=15.0, renewed="t1")
    readings = iter([first, first, second])
    monkeypatch.setattr(cluster_resources, "leaders", lambda _: {"kube-scheduler": next(readings)})
    monkeypatch.setattr("time.sleep", lambda _: None)
    cluster: Any = None
    assert cluster_resources.watched_leaders(cluster)["kube-scheduler"].moved is moved


def test_rejected_part_is_unavailable() -> None:
    """A part that this user cannot read is permanently unavailable; the others are returned."""
    namespaces: Json = {"/api/v1/namespaces": {"items": []}}
    cluster: Any = FakeCluster(namespaces)
    nodes: list[NodeStatus] = []
    found = cluster_resources.read(cluster, nodes)
    assert found.endings == []
    assert isinstance(found.webhooks, Unavailable)
    assert found.webhooks.permanent
