# SPDX-License-Identifier: Apache-2.0
"""Lifecycle of a run on a fake API: all objects are deleted, or reported."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from conformance.api.client import Cluster
from conformance.manifests.base import RUN_LABEL
from conformance.outcome import InconclusiveError
from tests.conformance.conftest import SuiteRun, kubeconfig, run_suite
from tests.conformance.fake_api import UNREADY, FakeApi, serving

Json = dict[str, Any]
Run = Callable[..., SuiteRun]
READY = "-k=test_node_is_ready"  # fast, because it needs no probe
# Failures of two nodes whose kubelets have never posted a status.
SILENT_NODES = {
    f"test_{what}[{node}]" for what in ("node_is_ready", "node_lease_is_fresh") for node in "ab"
}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """Yield an API with two nodes that are not Ready."""
    with serving(FakeApi()) as fake:
        fake.add_node("a", "192.0.2.10")
        fake.add_node("b", "192.0.2.11")
        fake.add_api_service()
        yield fake


@pytest.fixture
def run(api: FakeApi, tmp_path: Path) -> Run:
    """Return a function that runs the suite on that API."""
    file = kubeconfig(tmp_path, api.server)

    def run_on(*arguments: str) -> SuiteRun:
        return run_suite("--kubeconfig", file, "--patience", "2", *arguments)

    return run_on


def test_all_objects_are_deleted(api: FakeApi, run: Run) -> None:
    """The namespace is deleted although checks fail."""
    verdicts = run(READY)
    assert set(verdicts.failed) == {"test_node_is_ready[a]", "test_node_is_ready[b]"}
    created = [call for call in api.calls if call.startswith("POST")]
    assert len(created) > 10
    assert api.namespaces() == []


def test_rejected_common_object_ends_the_run(api: FakeApi, run: Run) -> None:
    """It is a usage error, and the objects that were created are deleted."""
    api.refused = {"ConfigMap"}
    verdicts = run(READY)
    assert verdicts.exit_status == pytest.ExitCode.USAGE_ERROR
    assert "the run could not start" in verdicts.printed
    assert "ConfigMaps are forbidden" in verdicts.printed
    assert api.namespaces() == []


def test_rejected_pods_are_skips(api: FakeApi, run: Run) -> None:
    """The API's reason is in the notices and in each skip; other checks run."""
    api.refused = {"Pod"}
    verdicts = run("-m", "os or runtime")
    assert set(verdicts.failed) == SILENT_NODES
    assert "Pods are forbidden" in verdicts.skipped["test_exec_answers[a]"]
    assert "Pods are forbidden" in verdicts.skipped["test_node_forwards_packets[b]"]
    assert "rejected: probe-host-a: POST" in verdicts.printed
    assert api.namespaces() == []


def test_missing_rights_are_reported_before_objects_are_created(api: FakeApi, run: Run) -> None:
    """The preflight names each missing right, and the run ends."""
    api.forbidden = {"namespaces", "secrets"}
    verdicts = run(READY)
    assert verdicts.exit_status == pytest.ExitCode.USAGE_ERROR
    assert "may not create namespaces, delete namespaces, create secrets" in verdicts.printed
    assert not api.namespaces()
    assert "POST /api/v1/namespaces" not in api.calls


def test_api_that_stores_nothing(api: FakeApi, run: Run) -> None:
    """Without quorum two checks fail with the cause; all others are errors with it, at once."""
    api.broken = "etcdserver: no leader"
    api.readiness = UNREADY
    began = time.monotonic()
    verdicts = run("-m", "orchestration or runtime", "--patience", "60")
    assert time.monotonic() - began < 50
    assert set(verdicts.failed) == {"test_api_is_ready", "test_api_stores_objects"}
    assert "etcd failed" in verdicts.failed["test_api_is_ready"]
    assert "no leader" in verdicts.failed["test_api_stores_objects"]
    assert "no leader; the API server is not ready: etcd" in verdicts.errors["test_exec_answers[a]"]
    assert "cannot create objects" in verdicts.errors["test_api_endpoint_answers[b]"]
    assert verdicts.exit_status == 1


def test_failed_readiness_is_read_again(api: FakeApi, run: Run) -> None:
    """On a busy node the API server's health check of etcd may fail for a moment."""
    api.unready = 2
    verdicts = run("-k=test_api_is_ready")
    assert not verdicts.failed
    assert api.calls.count("GET /readyz") == 3


def test_objects_are_deleted_after_an_internal_error(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if another plug-in fails so early that pytest does not finish the session."""
    plugin = (
        "import pytest\n\n@pytest.hookimpl(trylast=True)\ndef pytest_sessionstart():\n    1 / 0\n"
    )
    (tmp_path / "failing.py").write_text(plugin)
    monkeypatch.syspath_prepend(tmp_path)
    verdicts = run(READY, "-p", "failing")
    assert verdicts.exit_status == pytest.ExitCode.INTERNAL_ERROR
    assert "POST /api/v1/namespaces" in api.calls
    assert api.namespaces() == []


def test_leak_is_a_failure(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the namespace is not deleted in time, the run fails and reports it with the reason."""
    monkeypatch.setattr("secrets.token_hex", lambda _: "0badcafe")
    api.stuck = {"conformance-0badcafe"}
    verdicts = run("-k=test_node_is_not_under_pressure")
    assert not verdicts.failed
    assert verdicts.exit_status == pytest.ExitCode.TESTS_FAILED
    assert "LEFT BEHIND: namespace conformance-0badcafe still exists: pods rem" in verdicts.printed


def test_only_namespaces_of_killed_runs_are_deleted(api: FakeApi, run: Run) -> None:
    """They are reported; namespaces of users and of new runs are not touched."""
    now = datetime.now(UTC)
    api.add_namespace("conformance-dead", {RUN_LABEL: "dead"}, now - timedelta(hours=1))
    api.add_namespace("conformance-young", {RUN_LABEL: "young"}, now)
    api.add_namespace("conformance-of-users", {}, now - timedelta(hours=1))
    verdicts = run(READY)
    assert api.namespaces() == ["conformance-young", "conformance-of-users"]
    assert "removed leftover namespace conformance-dead:" in verdicts.printed


def test_cluster_scoped_objects_are_deleted(api: FakeApi, run: Run) -> None:
    """The run creates priority classes and extended resources, and deletes them at the end."""
    api.add_node("c", "192.0.2.12", ready="True")
    verdicts = run("-k=test_node_is_ready or test_idle", "--idle", "0")
    assert verdicts.passed == ["test_node_is_ready[c]", "test_idle_connection_still_works"]
    patches = [call for call in api.calls if call.startswith("PATCH /api/v1/nodes/c/status")]
    assert len(patches) == 2
    assert "POST /apis/scheduling.k8s.io/v1/priorityclasses" in api.calls
    assert api.cluster_scoped() == []


def test_cluster_scoped_objects_of_killed_runs_are_deleted(api: FakeApi, run: Run) -> None:
    """Also if the namespace no longer exists; those of a running suite are kept."""
    api.add_namespace("conformance-a11fe", {RUN_LABEL: "a11fe"}, datetime.now(UTC))
    for run_id in ("dead", "a11fe"):
        name = f"conformance-{run_id}-high"
        api.objects[f"/apis/scheduling.k8s.io/v1/priorityclasses/{name}"] = {
            "metadata": {"name": name, "labels": {RUN_LABEL: run_id}}
        }
        for part in ("capacity", "allocatable"):
            status = api.objects["/api/v1/nodes/a"]["status"]
            status.setdefault(part, {})[f"heatgen-conformance/fit-{run_id}"] = "2"
    run(READY)
    left = "heatgen-conformance/fit-a11fe"
    assert api.cluster_scoped() == ["conformance-a11fe-high", left, left]


def test_remaining_cluster_scoped_object_is_a_leak(
    api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If one is not deleted, the run fails and reports it."""
    api.add_node("c", "192.0.2.12", ready="True")
    monkeypatch.setattr("conformance.manifests.cluster_scoped.remove", lambda *_: None)
    verdicts = run("-k=test_node_is_not_under_pressure")
    assert verdicts.exit_status == pytest.ExitCode.TESTS_FAILED
    assert "LEFT BEHIND: resource heatgen-conformance/fit-" in verdicts.printed
    assert "LEFT BEHIND: priority class conformance-" in verdicts.printed


def test_collect_only_changes_nothing(api: FakeApi, run: Run) -> None:
    """``--collect-only`` reads from the API, and creates no objects."""
    verdicts = run("--collect-only", "-q")
    assert verdicts.exit_status == 0
    assert "test_pod_reaches_pod[a->b]" in verdicts.printed
    rights = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert all(call.startswith("GET") for call in api.calls if call != rights)


def test_unready_node_makes_other_checks_inconclusive(run: Run) -> None:
    """The checks of its readiness fail; others are errors with that reason."""
    verdicts = run("-m", "os")
    assert set(verdicts.failed) == SILENT_NODES
    for name, text in verdicts.errors.items():
        assert "the node is not Ready" in text, name


def test_objects_are_created_once_in_a_parallel_run(api: FakeApi, run: Run) -> None:
    """With workers, only the controller creates and deletes objects."""
    run(READY, "-n", "2")
    assert len([call for call in api.calls if call == "POST /api/v1/namespaces"]) == 1
    assert api.namespaces() == []


# ---- active checks that need no node ----


def test_rejected_privileged_pods_pass(api: FakeApi, run: Run) -> None:
    """With pod security the check passes, and both namespaces are deleted."""
    api.pod_security = True
    verdicts = run("-k=test_privileged_pods")
    assert verdicts.passed == ["test_privileged_pods_are_rejected"], verdicts.printed
    created = [path for path in api.calls if path == "POST /api/v1/namespaces"]
    assert len(created) == 2
    assert api.namespaces() == []


def test_admitted_privileged_pods_fail(api: FakeApi, run: Run) -> None:
    """The failure names each admitted kind of pod; they were created with ``dryRun`` only."""
    verdicts = run("-k=test_privileged_pods")
    (failure,) = verdicts.failed.values()
    for kind in ("privileged", "host-path", "host-network", "host-processes", "capability"):
        assert kind in failure
    assert api.namespaces() == []


def test_rejected_ordinary_pod_is_inconclusive(api: FakeApi, run: Run) -> None:
    """If an ordinary pod is rejected, too, the check is an error."""
    original = api.answer

    def reject(method: str, path: str, query: Json, body: Json) -> tuple[int, Json]:
        if method == "POST" and path.endswith("-plain/pods"):
            return 403, {"message": "quota"}
        return original(method, path, query, body)

    api.answer = reject  # type: ignore[method-assign]
    verdicts = run("-k=test_privileged_pods")
    assert "quota" in verdicts.errors["test_privileged_pods_are_rejected"]
    assert api.namespaces() == []


def test_anonymous_request_sends_no_credentials(api: FakeApi, tmp_path: Path) -> None:
    """Neither token nor certificate of the kubeconfig are sent."""
    file = kubeconfig(tmp_path, api.server)
    config = json.loads(file.read_text())
    config["users"][0]["user"] = {"token": "secret-token"}
    file.write_text(json.dumps(config))
    assert Cluster(file).anonymous_status("/version") == 200
    Cluster(file).get("/version")
    assert api.authorizations == ["", "Bearer secret-token"]


def test_plain_namespace_of_a_killed_run_is_deleted(api: FakeApi, run: Run) -> None:
    """It has no Lease, so its age is used."""
    then = datetime.now(UTC) - timedelta(minutes=5)
    api.add_namespace("conformance-dead-plain", {RUN_LABEL: "dead"}, then)
    verdicts = run(READY)
    assert "removed leftover namespace conformance-dead-plain:" in verdicts.printed
    assert api.namespaces() == []


def test_only_reads_are_retried_after_a_lost_connection(api: FakeApi, tmp_path: Path) -> None:
    """A GET is retried once; requests that change objects are not."""
    cluster = Cluster(kubeconfig(tmp_path, api.server))
    api.breaking = 1
    assert cluster.get("/version")["gitVersion"]
    api.breaking = 2
    with pytest.raises(InconclusiveError):
        cluster.get("/version")
    api.breaking = 1
    with pytest.raises(InconclusiveError):
        cluster.patch("/api/v1/namespaces/default", {})
    assert api.breaking == 0
