# SPDX-License-Identifier: Apache-2.0
"""The life of a run on a fake API: it leaves nothing behind, whatever happens, or says so."""

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
READY = "-k=test_node_is_ready"  # needs no probe: quick
# What is red of two nodes whose kubelets have never said anything.
SILENT_NODES = {
    f"test_{what}[{node}]" for what in ("node_is_ready", "node_lease_is_fresh") for node in "ab"
}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """An API with two nodes that are not Ready."""
    with serving(FakeApi()) as fake:
        fake.add_node("a", "192.0.2.10")
        fake.add_node("b", "192.0.2.11")
        fake.add_api_service()
        yield fake


@pytest.fixture
def run(api: FakeApi, tmp_path: Path) -> Run:
    """Run the suite on that API."""
    file = kubeconfig(tmp_path, api.server)

    def run_on(*arguments: str) -> SuiteRun:
        return run_suite("--kubeconfig", file, "--patience", "2", *arguments)

    return run_on


def test_run_leaves_nothing_behind(api: FakeApi, run: Run) -> None:
    """Whatever the verdicts, the namespace is gone at the end."""
    verdicts = run(READY)
    assert set(verdicts.failed) == {"test_node_is_ready[a]", "test_node_is_ready[b]"}
    made = [call for call in api.calls if call.startswith("POST")]
    assert len(made) > 10
    assert api.namespaces() == []


def test_refusal_in_the_middle_leaves_nothing_behind(api: FakeApi, run: Run) -> None:
    """If the API refuses what all needs, that is one clear error, and what was made is removed."""
    api.refused = {"ConfigMap"}
    verdicts = run(READY)
    assert verdicts.exit_status == pytest.ExitCode.USAGE_ERROR
    assert "the run could not start" in verdicts.printed
    assert "ConfigMaps are forbidden" in verdicts.printed
    assert api.namespaces() == []


def test_refused_pods_are_skips_and_the_rest_is_judged(api: FakeApi, run: Run) -> None:
    """A cluster that takes no such pods is told so, once in the notices and in each skip."""
    api.refused = {"Pod"}
    verdicts = run("-m", "os or runtime")
    assert set(verdicts.failed) == SILENT_NODES
    assert "Pods are forbidden" in verdicts.skipped["test_exec_answers[a]"]
    assert "Pods are forbidden" in verdicts.skipped["test_node_forwards_packets[b]"]
    assert "rejected: probe-host-a: POST" in verdicts.printed
    assert api.namespaces() == []


def test_what_this_user_may_not_do_is_told_before_anything_is_made(api: FakeApi, run: Run) -> None:
    """The preflight names every right that lacks; nothing is made."""
    api.forbidden = {"namespaces", "secrets"}
    verdicts = run(READY)
    assert verdicts.exit_status == pytest.ExitCode.USAGE_ERROR
    assert "may not create namespaces, delete namespaces, create secrets" in verdicts.printed
    assert not api.namespaces()
    assert "POST /api/v1/namespaces" not in api.calls


def test_cluster_that_keeps_nothing_is_judged_by_what_its_api_tells(api: FakeApi, run: Run) -> None:
    """No quorum: two checks fail with the cause, all others are errors that name it, at once."""
    api.broken = "etcdserver: no leader"
    api.readiness = UNREADY
    began = time.monotonic()
    verdicts = run("-m", "orchestration or runtime", "--patience", "60")
    assert time.monotonic() - began < 50
    assert set(verdicts.failed) == {"test_api_is_ready", "test_api_keeps_objects"}
    assert "etcd failed" in verdicts.failed["test_api_is_ready"]
    assert "no leader" in verdicts.failed["test_api_keeps_objects"]
    assert "no leader; the API server is not ready: etcd" in verdicts.errors["test_exec_answers[a]"]
    assert "nothing can be made" in verdicts.errors["test_api_endpoint_answers[b]"]
    assert verdicts.exit_status == 1


def test_api_that_is_not_ready_for_a_moment_is_ready(api: FakeApi, run: Run) -> None:
    """A node that is busy lets the server's own question to etcd fail: it is asked again."""
    api.unready = 2
    verdicts = run("-k=test_api_is_ready")
    assert not verdicts.failed
    assert api.calls.count("GET /readyz") == 3


def test_session_that_breaks_down_leaves_nothing_behind(
    api: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even if another plug-in fails so early that pytest never finishes the session."""
    plugin = (
        "import pytest\n\n@pytest.hookimpl(trylast=True)\ndef pytest_sessionstart():\n    1 / 0\n"
    )
    (tmp_path / "clumsy.py").write_text(plugin)
    monkeypatch.syspath_prepend(tmp_path)
    verdicts = run(READY, "-p", "clumsy")
    assert verdicts.exit_status == pytest.ExitCode.INTERNAL_ERROR
    assert "POST /api/v1/namespaces" in api.calls
    assert api.namespaces() == []


def test_leak_is_a_failure(api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the namespace does not go in time, the run fails and tells what remains, and why."""
    monkeypatch.setattr("secrets.token_hex", lambda _: "0badcafe")
    api.stuck = {"conformance-0badcafe"}
    verdicts = run("-k=test_node_is_not_under_pressure")
    assert not verdicts.failed
    assert verdicts.exit_status == pytest.ExitCode.TESTS_FAILED
    assert (
        "LEFT BEHIND: namespace conformance-0badcafe is still there: pods rem" in verdicts.printed
    )


def test_dead_runs_are_swept_and_others_left_alone(api: FakeApi, run: Run) -> None:
    """What a dead run left goes, and is told; a user's namespace and a young run stay."""
    now = datetime.now(UTC)
    api.add_namespace("conformance-dead", {RUN_LABEL: "dead"}, now - timedelta(hours=1))
    api.add_namespace("conformance-young", {RUN_LABEL: "young"}, now)
    api.add_namespace("conformance-of-users", {}, now - timedelta(hours=1))
    verdicts = run(READY)
    assert api.namespaces() == ["conformance-young", "conformance-of-users"]
    assert "removed leftover namespace conformance-dead:" in verdicts.printed


def test_what_lies_outside_the_namespace_goes_too(api: FakeApi, run: Run) -> None:
    """Priority classes, and resources of a node: made for the run, and taken away at its end."""
    api.add_node("c", "192.0.2.12", ready="True")
    verdicts = run("-k=test_node_is_ready or test_idle", "--idle", "0")
    assert verdicts.passed == ["test_node_is_ready[c]", "test_idle_connection_lives"]
    made = [call for call in api.calls if call.startswith("PATCH /api/v1/nodes/c/status")]
    assert len(made) == 2
    assert "POST /apis/scheduling.k8s.io/v1/priorityclasses" in api.calls
    assert api.cluster_scoped() == []


def test_what_a_killed_run_strewed_is_swept(api: FakeApi, run: Run) -> None:
    """A dead run's classes and resources go, even if its namespace is gone; a living one's stay."""
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


def test_resource_that_stays_is_a_leak(
    api: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If what lies outside the namespace does not go, the run fails and says what it is."""
    api.add_node("c", "192.0.2.12", ready="True")
    monkeypatch.setattr("conformance.manifests.cluster_scoped.remove", lambda *_: None)
    verdicts = run("-k=test_node_is_not_under_pressure")
    assert verdicts.exit_status == pytest.ExitCode.TESTS_FAILED
    assert "LEFT BEHIND: resource heatgen-conformance/fit-" in verdicts.printed
    assert "LEFT BEHIND: priority class conformance-" in verdicts.printed


def test_collecting_only_changes_nothing(api: FakeApi, run: Run) -> None:
    """`--collect-only` names the tests by asking, and makes nothing."""
    verdicts = run("--collect-only", "-q")
    assert verdicts.exit_status == 0
    assert "test_pod_reaches_pod[a->b]" in verdicts.printed
    rights = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert all(call.startswith("GET") for call in api.calls if call != rights)


def test_unready_node_fails_itself_and_errors_name_it(run: Run) -> None:
    """What could not be asked because of the node says so at once, and is not red itself."""
    verdicts = run("-m", "os")
    assert set(verdicts.failed) == SILENT_NODES
    for name, text in verdicts.errors.items():
        assert "the node is not Ready" in text, name


def test_parallel_run_leaves_nothing_behind(api: FakeApi, run: Run) -> None:
    """With workers, the controller makes and removes everything, once."""
    run(READY, "-n", "2")
    assert len([call for call in api.calls if call == "POST /api/v1/namespaces"]) == 1
    assert api.namespaces() == []


# ---- active tests that need no node ----


def test_refused_pods_are_good_and_leave_nothing_behind(api: FakeApi, run: Run) -> None:
    """Where pod security holds the suite is content, and its namespaces go, the plain one too."""
    api.pod_security = True
    verdicts = run("-k=test_unwelcome_pods")
    assert verdicts.passed == ["test_unwelcome_pods_are_refused"], verdicts.printed
    made = [path for path in api.calls if path == "POST /api/v1/namespaces"]
    assert len(made) == 2
    assert api.namespaces() == []


def test_admitted_pods_are_a_failure(api: FakeApi, run: Run) -> None:
    """Where nothing holds pods back, each that was let in is named; none was really made."""
    verdicts = run("-k=test_unwelcome_pods")
    (said,) = verdicts.failed.values()
    for what in ("privileged", "host-path", "host-network", "host-processes", "capability"):
        assert what in said
    assert api.namespaces() == []


def test_refused_namespace_is_no_verdict(api: FakeApi, run: Run) -> None:
    """If not even an ordinary pod may be tried, that is an error, no verdict."""
    plain = api.answer

    def refuse(method: str, path: str, query: Json, body: Json) -> tuple[int, Json]:
        if method == "POST" and path.endswith("-plain/pods"):
            return 403, {"message": "quota"}
        return plain(method, path, query, body)

    api.answer = refuse  # type: ignore[method-assign]
    verdicts = run("-k=test_unwelcome_pods")
    assert "not even an ordinary pod" in verdicts.errors["test_unwelcome_pods_are_refused"]
    assert api.namespaces() == []


def test_stranger_sends_no_credentials(api: FakeApi, tmp_path: Path) -> None:
    """Asking as a stranger shows neither token nor certificate, whatever the kubeconfig has."""
    file = kubeconfig(tmp_path, api.server)
    plain = json.loads(file.read_text())
    plain["users"][0]["user"] = {"token": "tell-nobody"}
    file.write_text(json.dumps(plain))
    assert Cluster(file).anonymous_status("/version") == 200
    Cluster(file).get("/version")
    assert api.authorizations == ["", "Bearer tell-nobody"]


def test_plain_namespace_of_a_killed_run_is_swept(api: FakeApi, run: Run) -> None:
    """It has no lease; its age tells."""
    then = datetime.now(UTC) - timedelta(minutes=5)
    api.add_namespace("conformance-dead-plain", {RUN_LABEL: "dead"}, then)
    verdicts = run(READY)
    assert "removed leftover namespace conformance-dead-plain:" in verdicts.printed
    assert api.namespaces() == []


def test_question_is_asked_once_more_when_the_connection_breaks(
    api: FakeApi, tmp_path: Path
) -> None:
    """An address that moves costs no answer; but what would change something is sent once only."""
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
