# SPDX-License-Identifier: Apache-2.0
"""What the API says of webhooks, rights and endings, as facts; and leaders that are watched."""

from datetime import timedelta
from typing import Any

import pytest

from conformance.api import cluster_resources
from conformance.facts.cluster_resources import ApiService, Right
from conformance.facts.model import Leader, NodeStatus
from conformance.outcome import Unavailable
from tests.conformance.api.fake_cluster import NOW, FakeCluster, Json

ADMISSION, RBAC = cluster_resources.ADMISSION, cluster_resources.RBAC


def test_only_webhooks_that_must_be_asked_count() -> None:
    """One that may be passed by is left out; of the others it is known who would answer."""

    def hook(name: str, **rest: Any) -> Json:
        rule = {"operations": ["CREATE"], "resources": ["pods"]}
        client = {"service": {"namespace": "ns", "name": "svc"}}
        return {"name": name, "clientConfig": client, "rules": [rule], **rest}

    validating = {
        "metadata": {"name": "v"},
        "webhooks": [hook("must"), hook("may", failurePolicy="Ignore")],
    }
    mutating = {
        "metadata": {"name": "m"},
        "webhooks": [hook("outside", clientConfig={"url": "https://192.0.2.1/"})],
    }
    slices = {"items": [{"endpoints": [{"conditions": {"ready": True}}, {}]}, {"endpoints": None}]}
    cluster: Any = FakeCluster(
        {
            f"{ADMISSION}/validatingwebhookconfigurations": {"items": [validating]},
            f"{ADMISSION}/mutatingwebhookconfigurations": {"items": [mutating]},
            "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices": slices,
        }
    )
    outside, must = cluster_resources.webhooks(cluster)
    assert (must.name, must.service, must.endpoints) == ("v: must", "ns/svc", 2)
    assert must.asked_about == "CREATE pods"
    assert (outside.name, outside.service) == ("m: outside", "")


def test_part_of_the_api_tells_why_it_is_away() -> None:
    """Reason and message of the condition; nothing if it is available."""
    condition = {"type": "Available", "status": "False", "reason": "Missing", "message": "none"}
    plain = {
        "metadata": {"name": "v1.x"},
        "spec": {"service": {"namespace": "ns", "name": "svc"}},
        "status": {"conditions": [condition]},
    }
    told = cluster_resources.api_service(plain)
    assert told == ApiService("v1.x", "ns/svc", "Missing: none")
    condition["status"] = "True"
    assert cluster_resources.api_service(plain).problem == ""
    assert cluster_resources.api_service(plain | {"status": {}}).problem != ""


def test_rights_of_everybody_are_told() -> None:
    """What roles give to groups that everybody is in, without questions about oneself."""

    def bound(name: str, role: Json, subject: str, **metadata: str) -> Json:
        subjects = [{"kind": "Group", "name": subject}]
        return {"metadata": {"name": name, **metadata}, "roleRef": role, "subjects": subjects}

    wide, own = {"kind": "ClusterRole", "name": "wide"}, {"kind": "Role", "name": "own"}
    lost = {"kind": "ClusterRole", "name": "lost"}
    about = {"verbs": ["create"], "resources": ["selfsubjectreviews"]}
    cluster: Any = FakeCluster(
        {
            f"{RBAC}/clusterrolebindings": {
                "items": [
                    bound("a", wide, "system:unauthenticated"),
                    bound("b", wide, "system:masters"),
                    bound("c", lost, "system:authenticated"),
                ]
            },
            f"{RBAC}/rolebindings": {
                "items": [bound("d", own, "system:serviceaccounts", namespace="ns")]
            },
            f"{RBAC}/clusterroles/wide": {"rules": [{"verbs": ["get"], "resources": ["pods"]}]},
            f"{RBAC}/namespaces/ns/roles/own": {
                "rules": [about, {"verbs": ["get"], "nonResourceURLs": ["/api"]}]
            },
        }
    )
    found = {each.name: each for each in cluster_resources.bindings(cluster)}
    assert set(found) == {"a", "c", "d"}
    assert found["a"].rights == [Right(["get"], ["pods"])]
    assert found["c"].rights == []
    assert (found["d"].namespace, found["d"].rights) == ("ns", [Right(["get"], ["/api"])])


def test_ending_tells_how_long_and_why() -> None:
    """By the API's clock; only conditions that are true are reasons."""
    since = (NOW - timedelta(seconds=70)).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [
        {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "x has them"},
        {"type": "NamespaceContentRemaining", "status": "False", "message": "all gone"},
    ]
    plain = {
        "metadata": {"name": "old", "deletionTimestamp": since},
        "status": {"conditions": conditions},
    }
    told = cluster_resources.ending(plain, NOW)
    assert (told.namespace, told.seconds) == ("old", 70.0)
    assert told.reasons == {"NamespaceFinalizersRemaining": "x has them"}


@pytest.mark.parametrize(
    ("second", "moved"),
    [
        (Leader(holder="a", age=1.0, term=15.0, renewed="t2"), True),
        (Leader(holder="a", age=20.0, term=15.0, renewed="t1"), False),
    ],
    ids=["renewed", "out of its term"],
)
def test_leader_is_watched_until_it_is_judged(
    monkeypatch: pytest.MonkeyPatch, second: Leader, moved: bool
) -> None:
    """A lease that moves is well; one that does not is looked at until it is out of its term."""
    first = Leader(holder="a", age=5.0, term=15.0, renewed="t1")
    told = iter([first, first, second])
    monkeypatch.setattr(cluster_resources, "leaders", lambda _: {"kube-scheduler": next(told)})
    monkeypatch.setattr("time.sleep", lambda _: None)
    cluster: Any = None
    assert cluster_resources.watched_leaders(cluster)["kube-scheduler"].moved is moved


def test_what_is_refused_is_no_end_of_all_else() -> None:
    """A part that this user may not see is unasked, for good; the others are known."""
    spaces: Json = {"/api/v1/namespaces": {"items": []}}
    cluster: Any = FakeCluster(spaces)
    nodes: list[NodeStatus] = []
    told = cluster_resources.read(cluster, nodes)
    assert told.endings == []
    assert isinstance(told.webhooks, Unavailable)
    assert told.webhooks.permanent
