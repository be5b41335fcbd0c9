# SPDX-License-Identifier: Apache-2.0
"""Tests of both agents with a simulated Keystone and Heat on localhost."""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import stat
import subprocess
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.agent.simulation import PYTHON, Cloud, Kind, Node, booted, certificate, trust, wait_until
from tests.http_server import running


def test_successful_script(cloud: Cloud, node: Node) -> None:
    """Inputs are environment variables; stdout, status and outputs are signalled to Heat."""
    cloud.deploy(
        "d", '#!/bin/sh\necho "hello $WHO"; printf 42 >"$heat_outputs_path.answer"', WHO="w"
    )
    result = cloud.signal_of("d")
    assert result["deploy_status_code"] == 0
    assert result["deploy_stdout"] == "hello w\n"
    assert result["answer"] == "42"
    assert "problem" not in result  # any value of an error output fails the deployment in Heat


def test_failed_script_with_reason(cloud: Cloud, node: Node) -> None:
    """The reason from ``fail`` is signalled with the names of step and node."""
    cloud.deploy(
        "d",
        '#!/bin/sh\nprintf "no disk" >"$heat_outputs_path.problem"; exit 3',
        HEATGEN_STEP="kvstore/start",
    )
    result = cloud.signal_of("d")
    assert result["deploy_status_code"] == 3
    assert result["problem"].startswith("kvstore/start on ")
    assert result["problem"].endswith(": no disk")


def test_failed_script_without_reason(cloud: Cloud, node: Node) -> None:
    """Without a reason from the script, the last lines of stderr are signalled."""
    cloud.deploy("d", '#!/bin/sh\nfor i in 1 2 3 4 5 6 7; do echo "line $i" >&2; done; exit 1')
    assert "line 3; line 4; line 5; line 6; line 7" in cloud.signal_of("d")["problem"]


def test_timeout(cloud: Cloud, node: Node) -> None:
    """A script and its children are killed after HEATGEN_TIMEOUT."""
    cloud.deploy("d", "#!/bin/sh\nsleep 600 & wait", HEATGEN_TIMEOUT="1")
    result = cloud.signal_of("d")
    assert result["deploy_status_code"] == 124
    assert "timed out after 1 s" in result["problem"]


def test_maps_and_large_inputs_are_files(cloud: Cloud, node: Node) -> None:
    """A map has one file per key; an input too long for the environment is a file only."""
    cloud.deploy(
        "d",
        '#!/bin/sh\ncat "$heat_inputs_path.NAMES.d/1"\n'
        'wc -c <"$heat_inputs_path.BIG"; echo "[$BIG]"',
        NAMES={"0": "a", "1": "b\nc"},
        BIG="x" * 300_000,
    )
    assert cloud.signal_of("d")["deploy_stdout"] == "b\nc300000\n[]\n"


def test_nested_maps_are_directories(cloud: Cloud, node: Node) -> None:
    """A nested map is a directory of directories, which are deleted after the signal."""
    cloud.deploy(
        "d",
        '#!/bin/sh\ncd "$heat_inputs_path.NAMES.d"; cat control/0 worker/1 deep/a/b; ls none; ls',
        NAMES={
            "control": {"0": "c\n"},
            "worker": {"0": "x", "1": "{not a map\n"},
            "none": {},
            "deep": {"a": {"b": "d\n"}},
        },
    )
    assert cloud.signal_of("d")["deploy_stdout"] == (
        "c\n{not a map\nd\ncontrol\ndeep\nnone\nworker\n"
    )
    wait_until(lambda: not (node.state / "d@id-d" / "config.json").exists())
    assert not list((node.state / "d@id-d").glob("inputs.*"))


def test_secrets_are_neither_passed_nor_logged(cloud: Cloud, node: Node) -> None:
    """Heat's credentials are not passed to scripts, and input values are not logged."""
    cloud.deploy("d", "#!/bin/sh\nenv", WHO="private-value")
    assert "hush" not in cloud.signal_of("d")["deploy_stdout"]
    journal = node.journal.read_text()
    assert "d: started" in journal
    assert "hush" not in journal
    assert "private-value" not in journal


def test_state_is_private_and_inputs_are_deleted(cloud: Cloud, node: Node) -> None:
    """Only root can read the state directory; inputs are deleted after the signal."""
    cloud.deploy("d", "#!/bin/sh\ntrue", WHO="w")
    cloud.signal_of("d")
    folder = node.state / "d@id-d"
    wait_until(lambda: not (folder / "config.json").exists())
    assert not list(folder.glob("inputs.*"))
    for path in [node.state, folder, *folder.iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_deployments_run_in_parallel(cloud: Cloud, node: Node) -> None:
    """A deployment can wait for another one of the same poll."""
    cloud.deploy(
        "a", '#!/bin/sh\nwhile [ ! -e "$FLAG" ]; do sleep 0.1; done', FLAG=str(node.state / "f")
    )
    cloud.deploy("b", '#!/bin/sh\ntouch "$FLAG"', FLAG=str(node.state / "f"))
    assert cloud.signal_of("a")["deploy_status_code"] == 0


def test_script_survives_restart_of_agent(cloud: Cloud, node: Node) -> None:
    """A restarted agent finds the running script, and signals its result."""
    cloud.deploy(
        "d",
        '#!/bin/sh\necho run >>"$LOG"; while [ ! -e "$LOG.end" ]; do sleep 0.1; done; cat "$LOG"',
        LOG=str(node.state / "log"),
    )
    node.runner("d")
    node.kill()
    polls = cloud.polls + cloud.lists
    node.boot()
    wait_until(lambda: cloud.polls + cloud.lists > polls)
    (node.state / "log.end").touch()
    assert cloud.signal_of("d")["deploy_stdout"] == "run\n"


def test_interrupted_script_is_run_again(cloud: Cloud, node: Node) -> None:
    """If agent and script are killed, as by a reboot, the script is run again."""
    cloud.deploy(
        "d",
        '#!/bin/sh\n[ -e "$LOG" ] && echo again && exit; touch "$LOG"; sleep 600',
        LOG=str(node.state / "log"),
    )
    runner = node.runner("d")
    wait_until((node.state / "log").exists)
    node.kill()
    script = int(subprocess.check_output(["pgrep", "-P", str(runner)]).split()[0])
    os.killpg(runner, signal.SIGKILL)
    os.killpg(script, signal.SIGKILL)
    node.boot()
    assert cloud.signal_of("d")["deploy_stdout"] == "again\n"


def test_finished_deployment_is_not_run_again(cloud: Cloud, node: Node) -> None:
    """A restarted agent does not run finished deployments, which Heat still returns."""
    cloud.deploy("d", '#!/bin/sh\necho run >>"$LOG"', LOG=str(node.state / "log"))
    cloud.signal_of("d")
    node.kill()
    node.boot()
    cloud.deploy("e", "#!/bin/sh\ntrue")
    cloud.signal_of("e")
    assert (node.state / "log").read_text() == "run\n"


def test_unsupported_group(cloud: Cloud, node: Node) -> None:
    """A deployment of an unsupported group fails with a reason."""
    cloud.deploy("d", "{}")
    cloud.deployments[0]["group"] = "ansible"
    result = cloud.signal_of("d")
    assert result["deploy_status_code"] == 1
    assert "'ansible'" in result["problem"]


def test_expired_token_and_error_of_heat(cloud: Cloud, node: Node) -> None:
    """A rejected token is renewed; after an error of Heat the agent polls again."""
    cloud.deploy("a", "#!/bin/sh\ntrue")
    cloud.signal_of("a")
    cloud.rejected_tokens = {f"token-{number}" for number in range(cloud.tokens + 1)}
    cloud.failures = 1
    cloud.deploy("b", "#!/bin/sh\ntrue")
    assert cloud.signal_of("b")["deploy_status_code"] == 0


def test_wrong_arguments_are_a_usage_error(kind: Kind) -> None:
    """With wrong arguments the agent prints its usage and exits with status 2."""
    process = subprocess.run([*kind.command, "help"], capture_output=True, text=True)
    assert process.returncode == 2
    assert process.stderr.startswith("usage:")


def interval(kind: Kind, folder: Path, metadata: dict[str, Any], idle: float) -> float:
    """Return the seconds until the next poll."""
    if kind is PYTHON:
        return float(runpy.run_path(str(kind.program))["interval"](metadata, idle))
    (folder / "metadata").write_text(json.dumps(metadata))
    script = 'source "$1"; work=$2; read_interval; interval "$3"; echo "$next"'
    arguments = [str(kind.program), str(folder), str(int(idle * 1000))]
    return int(subprocess.check_output(["bash", "-c", script, "test", *arguments])) / 1000


@pytest.mark.parametrize(
    ("idle", "seconds"), [(0, 1), (5.9, 1), (6, 2), (40, 2), (100, 5), (200, 10), (9999, 15)]
)
def test_poll_interval_of_idle_node(
    kind: Kind, tmp_path: Path, idle: float, seconds: float
) -> None:
    """The interval increases with the idle time, up to 15 s."""
    assert interval(kind, tmp_path, {}, idle) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("value", "seconds"), [(60, 60), ("20.5", 20.5), (1, 15), ("", 15), ("soon", 15), (None, 15)]
)
def test_polling_interval_in_metadata(
    kind: Kind, tmp_path: Path, value: Any, seconds: float
) -> None:
    """A longer polling_interval in the server's metadata is used for idle nodes."""
    metadata = {"os-collect-config": {"polling_interval": value}}
    assert interval(kind, tmp_path, metadata, 9999) == seconds


def test_deployment_list_replaces_metadata(cloud: Cloud, node: Node) -> None:
    """After the list has returned the same deployments as the metadata, only it is polled."""
    cloud.deploy("a", "#!/bin/sh\ntrue")
    cloud.signal_of("a")
    polls, lists = cloud.polls, cloud.lists
    cloud.deploy("b", "#!/bin/sh\ntrue")
    assert cloud.signal_of("b")["deploy_status_code"] == 0
    assert cloud.polls == polls
    assert cloud.lists > lists


@pytest.mark.parametrize("case", ["other id", "refused", "refused later"])
def test_fallback_to_metadata(kind: Kind, cloud: Cloud, tmp_path: Path, case: str) -> None:
    """With a stale server id, or if the list is forbidden, the metadata are polled."""
    node = Node(kind, tmp_path, cloud)
    if case == "other id":
        node.server_id.write_text("of-the-image\n")
    cloud.forbid_list = case == "refused"
    node.boot()
    try:
        cloud.deploy("a", "#!/bin/sh\ntrue")
        cloud.signal_of("a")
        cloud.forbid_list = cloud.forbid_list or case == "refused later"
        polls = cloud.polls
        cloud.deploy("b", "#!/bin/sh\ntrue")
        assert cloud.signal_of("b")["deploy_status_code"] == 0
        assert cloud.polls > polls
    finally:
        node.kill()


@pytest.mark.parametrize("case", ["untrusted", "other name"])
def test_reason_of_certificate(
    kind: Kind, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The console shows that the certificate of the cloud is not trusted, or is of another name."""
    pem = certificate(tmp_path, "localhost" if case == "untrusted" else "cloud.example")
    if case == "other name":
        trust(monkeypatch, tmp_path / "crt")
    cloud = Cloud(pem)
    with running(cloud), booted(Node(kind, tmp_path, cloud)) as node:
        line = node.shown(kind.reasons[case])
        check = "site.ca_certificates" if case == "untrusted" else "names in the certificate"
        assert check in line
        assert line.startswith("heatgen-agent: cannot poll Heat: POST localhost:")
        assert line.removeprefix("heatgen-agent: ") in node.journal.read_text()


def test_reason_of_unknown_name(kind: Kind, cloud: Cloud, tmp_path: Path) -> None:
    """The console shows that the name of Keystone cannot be resolved."""
    with booted(Node(kind, tmp_path, cloud, "https://keystone.invalid:5000/v3")) as node:
        line = node.shown("cannot poll Heat: POST keystone.invalid:5000: ")
        assert "cloud.dns" in line


def test_reason_of_refused_connection(kind: Kind, cloud: Cloud, tmp_path: Path) -> None:
    """The console shows that nothing listens at Keystone's address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with booted(Node(kind, tmp_path, cloud, f"http://127.0.0.1:{port}/v3")) as node:
        assert "routes and firewalls" in node.shown(kind.reasons["refused"])


def test_reason_of_other_protocol(kind: Kind, tmp_path: Path) -> None:
    """A server that does not speak HTTP is reported, and does not end the agent."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            while True:
                try:
                    connection = server.accept()[0]
                except OSError:
                    return
                with connection:
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                    connection.recv(4096)

        threading.Thread(target=greet, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v3"
        node = Node(kind, tmp_path, cast("Cloud", SimpleNamespace(url=url)))
        with booted(node):
            line = node.shown("cannot poll Heat: POST 127.0.0.1:")
            assert kind.reasons["other protocol"] in line
            assert node.process is not None
            assert node.process.poll() is None
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "the user that Heat created"), (404, "auth_url"), (503, "services of the cloud")],
)
def test_reason_of_keystone(
    kind: Kind, cloud: Cloud, tmp_path: Path, status: int, advice: str
) -> None:
    """The console shows the status with which Keystone rejects the server's credentials."""
    cloud.login = status
    with booted(Node(kind, tmp_path, cloud)) as node:
        assert advice in node.shown(f"/v3/auth/tokens: HTTP Error {status}")


def test_reason_of_missing_endpoint(kind: Kind, cloud: Cloud, tmp_path: Path) -> None:
    """The console shows that the catalog has no endpoint of Heat in the server's region."""
    with booted(Node(kind, tmp_path, cloud, region="elsewhere")) as node:
        node.shown("has no public endpoint of Heat in region 'elsewhere'")


def test_reason_of_other_page(kind: Kind, cloud: Cloud, tmp_path: Path) -> None:
    """The console shows that a web page responds instead of Heat; recovery is shown, too."""
    cloud.page = b"<!DOCTYPE html><title>Login</title>"
    with booted(Node(kind, tmp_path, cloud)) as node:
        node.shown("it begins with '<!DOCTYPE html>")
        cloud.page = b""
        node.shown("heatgen-agent: can poll Heat again")
        cloud.deploy("d", "#!/bin/sh\ntrue")
        assert cloud.signal_of("d")["deploy_status_code"] == 0


def test_missing_metadata_on_console(kind: Kind, cloud: Cloud, tmp_path: Path) -> None:
    """After a while the console shows that the server has no metadata of Heat."""
    node = Node(kind, tmp_path, cloud)
    (tmp_path / "cfn-init-data").unlink()
    node.change(*kind.grace)
    with booted(node):
        assert "metadata service" in node.shown("waiting for Heat metadata")


def lines_of_failures(kind: Kind, console: Path, count: int, reason: str) -> list[str]:
    """Return the lines on the console for failures; ``%`` in the reason becomes their number."""
    console.touch()
    report_failures(kind, console, count, reason)
    return console.read_text().splitlines()


def report_failures(kind: Kind, console: Path, count: int, reason: str) -> None:
    """Report failures in one process of an agent."""
    if kind is PYTHON:
        agent = runpy.run_path(str(kind.program))
        agent["Console"].write.__globals__["CONSOLE"] = str(console)
        failures = agent["Failures"]("poll Heat", agent["Console"]())
        for number in range(count):
            failures.failed(reason.replace("%", str(number)))
        return
    script = 'source "$1"; for ((i = 0; i < $2; i++)); do failed "poll Heat" "${3/\\%/$i}"; done'
    subprocess.run(
        ["bash", "-c", script, "test", str(kind.program), str(count), reason],
        env={**os.environ, "HEATGEN_AGENT_CONSOLE": str(console)},
        stderr=subprocess.DEVNULL,
        check=True,
    )


def test_failures_are_reported_ever_less_often(kind: Kind, tmp_path: Path) -> None:
    """A repeated failure is reported at ever longer intervals."""
    lines = lines_of_failures(kind, tmp_path / "console", 1000, "timed out")
    assert len(lines) == 10
    assert lines[0] == "heatgen-agent: cannot poll Heat: timed out"
    assert lines[-1] == "heatgen-agent: cannot poll Heat (512 times): timed out"


def test_last_line_on_console(kind: Kind, tmp_path: Path) -> None:
    """The number of lines on the console is limited; the last one refers to the journal."""
    lines = lines_of_failures(kind, tmp_path / "console", 100, "other %")
    assert len(lines) == 20
    assert lines[1] == "heatgen-agent: cannot poll Heat (2 times): other 1"
    assert "journalctl" in lines[-1]


def test_silent_server(kind: Kind, tmp_path: Path) -> None:
    """A server that accepts connections and does not respond is reported after the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v3"
        node = Node(kind, tmp_path, cast("Cloud", SimpleNamespace(url=url)))
        node.change(*kind.http_timeout)
        with booted(node):
            line = node.shown(kind.reasons["silent"])
            assert "routes and firewalls" in line


def test_blocked_console(kind: Kind, cloud: Cloud, tmp_path: Path) -> None:
    """A console that does not exist, or is not read, does not stop the agent."""
    node = Node(kind, tmp_path, cloud)
    node.console.unlink()
    os.mkfifo(node.console)
    cloud.failures = 2
    cloud.deploy("d", "#!/bin/sh\ntrue")
    with booted(node):
        assert cloud.signal_of("d")["deploy_status_code"] == 0
