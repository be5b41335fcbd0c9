# SPDX-License-Identifier: Apache-2.0
"""``heatgen update``."""

import io
import re
import sys
from pathlib import Path

import pytest

from heatgen.cli.main import main
from heatgen.cloud import stack
from tests.unit.heatgen.support.fake_heat import STACK, Heat

Capture = pytest.CaptureFixture[str]
WORKERS = "workers: {count: 3}\n"


def update(cluster: Path, *options: str) -> int:
    """Run the command."""
    return main(["update", str(cluster), "--stack", STACK, *options])


def finished(heat: Heat, status: str = "COMPLETE", reason: str = "") -> None:
    """Let the update end after the first events, which are those of the creation."""
    heat.event(STACK, "CREATE_COMPLETE")
    heat.then = [
        lambda: heat.event(STACK, "UPDATE_IN_PROGRESS"),
        lambda: heat.event("trust_request_workers", "UPDATE_IN_PROGRESS"),
        lambda: heat.event("2", "CREATE_COMPLETE", "trust_request_workers"),
        lambda: heat.event(STACK, f"UPDATE_{status}", reason=reason),
    ]


def append(cluster: Path, text: str) -> None:
    """Add keys to the cluster's file."""
    with cluster.open("a") as file:
        file.write(text)


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Answer the next question on a terminal."""
    terminal = io.StringIO(f"{text}\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)


def test_nothing_to_do(running: Heat, cluster: Path, capsys: Capture) -> None:
    """Without changes the exit code is 0, and no update is requested."""
    assert update(cluster) == 0
    assert running.sent == []
    assert "stack demo: no changes" in capsys.readouterr().err


def test_changes_in_place(running: Heat, cluster: Path, capsys: Capture) -> None:
    """Without losses there is no question: changes and progress are shown."""
    append(cluster, WORKERS)
    finished(running)
    assert update(cluster, "--timeout", "7") == 0
    [(method, path, body)] = running.sent
    assert (method, path.split("/")[2]) == ("PATCH", STACK)
    assert body["template"]["parameters"]["worker_count"]["default"] == 3
    assert body["parameters"] == {}
    assert body["timeout_mins"] == 7
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(r"  add +workers \(OS::Nova::Server\) +demo-worker-2", captured.err)
    assert "trust/request on demo-worker-2 done" in captured.err
    assert captured.err.rstrip().endswith("stack demo: updated")


@pytest.mark.parametrize(
    ("workers", "minutes", "timeout"), [("", 42, 72), ("workers: {count: 100}\n", 1414, 270)]
)
def test_nodes_that_change_in_turn(
    running: Heat, cluster: Path, capsys: Capture, workers: str, minutes: int, timeout: int
) -> None:
    """The timeout of the stack is sufficient for all turns, up to that of the last step."""
    if workers:
        running.template["parameters"]["worker_count"]["default"] = 100
    append(cluster, f"overrides: {{kubelet: {{maxPods: 120}}}}\n{workers}")
    finished(running)
    assert update(cluster) == 0
    [(_, _, body)] = running.sent
    assert body["timeout_mins"] == timeout
    assert f"nodes change in turn (1 of control, {100 if workers else 2} of worker), which " in (
        captured := capsys.readouterr().err
    )
    assert f"takes at most {minutes} min" in captured


def test_default_name(running: Heat, cluster: Path) -> None:
    """Without --stack the stack has the name of the cluster."""
    cluster.write_text(cluster.read_text().replace("name: minimal", "name: demo"))
    finished(running)
    assert main(["update", str(cluster)]) == 0


@pytest.mark.parametrize(
    ("replaced", "code"),
    [(("debian-12", "debian-13"), 5), (("m1.medium", "m1.large"), 0)],
)
def test_no_terminal(
    running: Heat, cluster: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch,
    replaced: tuple[str, str], code: int,
) -> None:  # fmt: skip
    """Without a terminal, losses require --yes; other changes do not."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("demo\n"))
    cluster.write_text(cluster.read_text().replace(*replaced))
    finished(running)
    assert update(cluster) == code
    err = capsys.readouterr().err
    assert ("error[confirmation-required]: " in err) == bool(code)
    assert bool(running.sent) != bool(code)


def test_confirmation(
    running: Heat, cluster: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses are confirmed with the name of the stack; otherwise nothing is changed."""
    cluster.write_text(cluster.read_text().replace("debian-12", "debian-13"))
    finished(running)
    answer(monkeypatch, "yes")
    assert update(cluster) == 5
    assert running.sent == []
    err = capsys.readouterr().err
    assert "REBUILD demo-control-0 (OS::Nova::Server): image" in err
    assert "nothing was changed" in err
    answer(monkeypatch, STACK)
    assert update(cluster) == 0
    assert len(running.sent) == 1


def test_yes(running: Heat, cluster: Path) -> None:
    """With --yes losses are not confirmed."""
    cluster.write_text(cluster.read_text().replace("debian-12", "debian-13"))
    finished(running)
    assert update(cluster, "--yes") == 0


def test_refused(running: Heat, cluster: Path, capsys: Capture) -> None:
    """What a cluster would not survive is refused, also with --yes."""
    running.template["outputs"]["conformance"]["value"]["networks"]["pods"] = "10.200.0.0/16"
    assert update(cluster, "--yes") == 6
    assert running.sent == []
    assert "error[network-changed]: " in capsys.readouterr().err


def test_failed_update(running: Heat, cluster: Path, capsys: Capture) -> None:
    """The exit code of a failed update is 1."""
    append(cluster, WORKERS)
    finished(running, "FAILED", "disk full")
    assert update(cluster) == 1
    assert "error[stack-failed]: " in capsys.readouterr().err


def test_timeout_of_heat(running: Heat, cluster: Path, capsys: Capture) -> None:
    """The exit code is 3 if Heat's timeout ends the update."""
    append(cluster, WORKERS)
    finished(running, "FAILED", "Timed out")
    assert update(cluster) == 3
    assert "error[timed-out]: " in capsys.readouterr().err


def test_timeout(
    running: Heat, cluster: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is 3 if Heat does not end the update."""
    append(cluster, WORKERS)
    monkeypatch.setattr(stack, "GRACE", -60.0)
    assert update(cluster, "--timeout", "1") == 3
    assert "error[timed-out]: " in capsys.readouterr().err


def test_interrupted(
    running: Heat, cluster: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C the update continues; the exit code is 130."""
    append(cluster, WORKERS)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stack, "follow", interrupt)
    assert update(cluster) == 130
    assert len(running.sent) == 1
    err = capsys.readouterr().err
    assert "the operation continues in the cloud" in err
    assert "heatgen status demo --wait" in err


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        ("UPDATE_IN_PROGRESS", "heatgen status demo --wait"),
        ("DELETE_FAILED", "heatgen delete demo"),
        ("SUSPEND_COMPLETE", "openstack stack resume demo"),
    ],
)
def test_state_without_updates(
    running: Heat, cluster: Path, capsys: Capture, status: str, hint: str
) -> None:
    """A stack that Heat would not update is an error, before anything is rendered."""
    running.status = status
    append(cluster, WORKERS)
    assert update(cluster) == 1
    err = capsys.readouterr().err
    assert "error[stack-not-complete]: " in err
    assert hint in err
    assert running.sent == []


@pytest.mark.parametrize("status", ["CREATE_FAILED", "UPDATE_FAILED"])
def test_failed_stack(running: Heat, cluster: Path, capsys: Capture, status: str) -> None:
    """A failed stack is updated even without changes: Heat continues with what failed."""
    running.status = status
    running.resource("kvstore_start_control_0", "OS::Heat::SoftwareDeployment", "CREATE_FAILED")
    finished(running)
    assert update(cluster) == 0
    err = capsys.readouterr().err
    assert f"note: stack demo is {status}" in err
    assert re.search("run again +step kvstore/start +demo-control-0 +CREATE_FAILED", err)
    assert len(running.sent) == 1


@pytest.mark.parametrize("command", ["update", "diff"])
def test_unhealthy_server(running: Heat, cluster: Path, capsys: Capture, command: str) -> None:
    """A server that is marked unhealthy is replaced, which is a loss."""
    running.resource("1", "OS::Nova::Server", "CHECK_FAILED", "workers")
    running.resource("workers", "OS::Heat::ResourceGroup", "CHECK_FAILED")
    files = [str(cluster), "--stack", STACK] if command == "update" else [STACK, str(cluster)]
    assert main([command, *files]) == 5
    err = capsys.readouterr().err
    assert "REPLACE demo-worker-1 (OS::Nova::Server): CHECK_FAILED" in err
    assert running.sent == []


def test_parameters(running: Heat, cluster: Path, capsys: Capture) -> None:
    """--parameter changes the preview and is sent; other explicit parameters are kept."""
    running.given = {"certificates_generation": "2"}
    running.parameters["certificates_generation"] = "2"
    finished(running)
    assert update(cluster, "--parameter", "worker_count=3") == 0
    assert running.sent[0][2]["parameters"] == {"worker_count": "3"}
    err = capsys.readouterr().err
    assert re.search(r"  add +workers \(OS::Nova::Server\) +demo-worker-2", err)
    assert "note: worker_count becomes 3" in err
    assert "note: certificates_generation stays 2" in err


@pytest.mark.parametrize(
    ("option", "hint"),
    [("worker_cuont=3", "'worker_count'"), ("worker_count", "NAME=VALUE"), ("=3", "NAME=VALUE")],
)
def test_invalid_parameters(
    running: Heat, cluster: Path, capsys: Capture, option: str, hint: str
) -> None:
    """Parameters that the template does not declare are errors."""
    assert update(cluster, "--parameter", option) == 2
    err = capsys.readouterr().err
    assert "error[invalid-argument]: " in err
    assert hint in err
    assert running.sent == []


def test_locked(running: Heat, cluster: Path, capsys: Capture) -> None:
    """With --locked a missing lock is an error, and no file is created."""
    cluster.with_name("cluster.lock.yaml").unlink()
    before = sorted(cluster.parent.iterdir())
    assert update(cluster, "--locked") == 2
    assert "error[missing-lock]: " in capsys.readouterr().err
    assert sorted(cluster.parent.iterdir()) == before


def test_request_of_the_stack(running: Heat, cluster: Path) -> None:
    """Without a local certificate request that of the stack is kept."""
    cluster.with_name("cluster.admin.csr").unlink()
    append(cluster, WORKERS)
    finished(running)
    assert update(cluster, "--locked") == 0
    sent = running.sent[0][2]["template"]["parameters"]["admin_request"]["default"]
    assert sent == running.parameters["admin_request"]
    assert not list(cluster.parent.glob("*.key"))


def test_missing_stack(running: Heat, cluster: Path, capsys: Capture) -> None:
    """A stack that does not exist is an error; the hint is how to create it."""
    running.there = False
    assert update(cluster) == 1
    err = capsys.readouterr().err
    assert "error[not-found]: " in err
    assert f"heatgen create {cluster}" in err


def test_stack_of_others(heat: Heat, cluster: Path, capsys: Capture) -> None:
    """A stack that heatgen did not create is not updated, also with --yes."""
    assert update(cluster, "--yes") == 1
    assert "error[foreign-stack]: " in capsys.readouterr().err
    assert heat.sent == []


def test_other_cluster(running: Heat, cluster: Path, capsys: Capture) -> None:
    """A note is printed if the file has another name than the cluster of the stack."""
    cluster.write_text(cluster.read_text().replace("name: minimal", "name: other"))
    finished(running)
    assert update(cluster) == 0
    assert "of cluster minimal, the file is of cluster other" in capsys.readouterr().err
