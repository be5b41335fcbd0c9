# SPDX-License-Identifier: Apache-2.0
"""The agent against a small Keystone and Heat on loopback: what it runs, signals and survives."""

from __future__ import annotations

import json
import os
import runpy
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

AGENT = Path(__file__).parents[2] / "hot" / "agent" / "heatgen-agent"
PATIENCE = 20.0  # seconds
SERVER = "0b2f6e6c-server"


class Cloud(ThreadingHTTPServer):
    """Keystone's tokens, and Heat's metadata and signals of one server."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.deployments: list[dict[str, Any]] = []
        self.signals: dict[str, dict[str, Any]] = {}
        self.refused_tokens: set[str] = set()
        self.tokens = 0
        self.failures = 0
        self.polls = self.lists = 0
        self.closed_lists = False

    def deploy(self, name: str, script: str, **inputs: Any) -> None:
        """Show one more deployment in the server's metadata, as Heat does."""
        credentials = {
            "deploy_auth_url": self.url,
            "deploy_user_id": "deployment",
            "deploy_password": "hush-deployment",
            "deploy_project_id": "p",
            "deploy_stack_id": "demo/1",
            "deploy_resource_name": name,
            "deploy_action": "CREATE",
        }
        values = [{"name": key, "value": value} for key, value in {**credentials, **inputs}.items()]
        self.deployments.append(
            {
                "id": f"id-{name}",
                "name": name,
                "group": "script",
                "config": script,
                "inputs": values,
            }
        )

    def signal_of(self, name: str) -> dict[str, Any]:
        """Wait for a deployment's signal and return it."""
        end = time.monotonic() + PATIENCE
        while name not in self.signals:
            assert time.monotonic() < end, f"no signal for {name} within {PATIENCE} s"
            time.sleep(0.05)
        return self.signals[name]


class Handler(BaseHTTPRequestHandler):
    """The three calls the agent makes."""

    server: Cloud

    def reply(self, status: int, body: Any, **headers: str) -> None:
        """Send a JSON reply."""
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        """Heat: the metadata of the server."""
        if self.server.failures:
            self.server.failures -= 1
            self.reply(503, {})
        elif self.headers["X-Auth-Token"] in self.server.refused_tokens:
            self.reply(401, {})
        elif self.path.startswith("/v1/p/software_deployments/metadata/"):
            self.server.lists += 1
            known = self.path.endswith(f"/{SERVER}")
            status = 403 if self.server.closed_lists else 200
            self.reply(status, {"metadata": self.server.deployments if known else []})
        else:
            self.server.polls += 1
            collect = {"os-collect-config": {"polling_interval": 1}}
            self.reply(200, {"metadata": {**collect, "deployments": self.server.deployments}})

    def do_POST(self) -> None:
        """Keystone: a token and the catalog; Heat: a signal."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v3/auth/tokens":
            self.server.tokens += 1
            endpoint = {"interface": "public", "region_id": "r", "url": self.server.url + "/v1/p"}
            catalog = [{"type": "orchestration", "endpoints": [endpoint]}]
            token = f"token-{self.server.tokens}"
            self.reply(201, {"token": {"catalog": catalog}}, X_Subject_Token=token)
        else:
            self.server.signals[self.path.split("/")[-2]] = body
            self.reply(200, {})

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output clean."""


class Node:
    """A server that runs the agent: its state folder and the agent's process."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.state = folder / "state"
        self.journal = folder / "journal"
        heat = {
            "auth_url": cloud.url,
            "user_id": "server",
            "password": "hush-server",
            "project_id": "p",
            "stack_id": "demo/1",
            "resource_name": "control_0",
            "region_name": "r",
        }
        metadata = folder / "cfn-init-data"
        metadata.write_text(json.dumps({"os-collect-config": {"heat": heat}, "deployments": []}))
        self.server_id = folder / "instance-id"
        self.server_id.write_text(f"{SERVER}\n")
        text = AGENT.read_text().replace("/var/lib/heat-cfntools/cfn-init-data", str(metadata))
        text = text.replace("/var/lib/cloud/data/instance-id", str(self.server_id))
        self.program = folder / "heatgen-agent"
        self.program.write_text(text)
        self.process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Start the agent."""
        with self.journal.open("ab") as journal:
            self.process = subprocess.Popen(
                [sys.executable, str(self.program)],
                env={**os.environ, "HEATGEN_AGENT_STATE": str(self.state)},
                stderr=journal,
            )

    def kill(self) -> None:
        """Kill the agent alone, as a restart of its service does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def runner(self, name: str) -> int:
        """Wait for a deployment's runner and return its process id."""
        path = self.state / f"{name}@id-{name}" / "runner"
        end = time.monotonic() + PATIENCE
        while not path.exists():
            assert time.monotonic() < end, f"{name} was not started"
            time.sleep(0.05)
        return int(path.read_text().split()[0])


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Keystone and Heat on a free port of loopback."""
    server = Cloud()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def node(tmp_path: Path, cloud: Cloud) -> Iterator[Node]:
    """A booted server."""
    server = Node(tmp_path, cloud)
    server.boot()
    yield server
    server.kill()


def test_runs_a_script_and_signals_its_outputs(cloud: Cloud, node: Node) -> None:
    """Inputs come as environment variables; stdout, status and outputs go to Heat."""
    cloud.deploy(
        "d", '#!/bin/sh\necho "hello $WHO"; printf 42 >"$heat_outputs_path.answer"', WHO="w"
    )
    result = cloud.signal_of("d")
    assert result["deploy_status_code"] == 0
    assert result["deploy_stdout"] == "hello w\n"
    assert result["answer"] == "42"
    assert "problem" not in result  # any value of an error output fails the deployment in Heat


def test_a_failure_names_step_node_and_reason(cloud: Cloud, node: Node) -> None:
    """What the script said by fail() comes back behind step and node."""
    cloud.deploy(
        "d",
        '#!/bin/sh\nprintf "no disk" >"$heat_outputs_path.problem"; exit 3',
        HEATGEN_STEP="kvstore/start",
    )
    result = cloud.signal_of("d")
    assert result["deploy_status_code"] == 3
    assert result["problem"].startswith("kvstore/start on ")
    assert result["problem"].endswith(": no disk")


def test_an_unexplained_failure_gives_its_last_lines(cloud: Cloud, node: Node) -> None:
    """A script that dies without a word of its own is explained by the end of its stderr."""
    cloud.deploy("d", '#!/bin/sh\nfor i in 1 2 3 4 5 6 7; do echo "line $i" >&2; done; exit 1')
    assert "line 3; line 4; line 5; line 6; line 7" in cloud.signal_of("d")["problem"]


def test_a_step_that_hangs_is_stopped_at_its_timeout(cloud: Cloud, node: Node) -> None:
    """HEATGEN_TIMEOUT bounds a step, its children included."""
    cloud.deploy("d", "#!/bin/sh\nsleep 600 & wait", HEATGEN_TIMEOUT="1")
    result = cloud.signal_of("d")
    assert result["deploy_status_code"] == 124
    assert "not finished within 1 s" in result["problem"]


def test_maps_and_large_inputs_reach_the_script_as_files(cloud: Cloud, node: Node) -> None:
    """A map has one file a key; an input too long for the environment is a file all the same."""
    cloud.deploy(
        "d",
        '#!/bin/sh\ncat "$heat_inputs_path.NAMES.d/1"\n'
        'wc -c <"$heat_inputs_path.BIG"; echo "[$BIG]"',
        NAMES={"0": "a", "1": "b\nc"},
        BIG="x" * 300_000,
    )
    assert cloud.signal_of("d")["deploy_stdout"] == "b\nc300000\n[]\n"


def test_maps_in_maps_are_folders_of_any_depth(cloud: Cloud, node: Node) -> None:
    """A map by group and index is a folder for each group, empty ones too; all are forgotten."""
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
    end = time.monotonic() + PATIENCE
    while (node.state / "d@id-d" / "config.json").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert not list((node.state / "d@id-d").glob("inputs.*"))


def test_passwords_reach_neither_script_nor_journal(cloud: Cloud, node: Node) -> None:
    """Heat's credentials are for the agent alone, and input values are never logged."""
    cloud.deploy("d", "#!/bin/sh\nenv", WHO="private-value")
    assert "hush" not in cloud.signal_of("d")["deploy_stdout"]
    journal = node.journal.read_text()
    assert "d: started" in journal
    assert "hush" not in journal
    assert "private-value" not in journal


def test_state_is_for_root_only_and_inputs_are_forgotten(cloud: Cloud, node: Node) -> None:
    """Nothing in the state folder is readable by others; inputs go when the signal is sent."""
    cloud.deploy("d", "#!/bin/sh\ntrue", WHO="w")
    cloud.signal_of("d")
    folder = node.state / "d@id-d"
    end = time.monotonic() + PATIENCE
    while (folder / "config.json").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert not list(folder.glob("inputs.*"))
    for path in [node.state, folder, *folder.iterdir()]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_deployments_shown_together_run_side_by_side(cloud: Cloud, node: Node) -> None:
    """One deployment that waits for another of the same poll is no deadlock."""
    cloud.deploy(
        "a", '#!/bin/sh\nwhile [ ! -e "$FLAG" ]; do sleep 0.1; done', FLAG=str(node.state / "f")
    )
    cloud.deploy("b", '#!/bin/sh\ntouch "$FLAG"', FLAG=str(node.state / "f"))
    assert cloud.signal_of("a")["deploy_status_code"] == 0


def test_a_script_outlives_a_restart_of_the_agent(cloud: Cloud, node: Node) -> None:
    """The restarted agent finds the running script and signals its one and only run."""
    cloud.deploy(
        "d", '#!/bin/sh\necho run >>"$LOG"; sleep 2; cat "$LOG"', LOG=str(node.state / "log")
    )
    node.runner("d")
    node.kill()
    node.boot()
    assert cloud.signal_of("d")["deploy_stdout"] == "run\n"


def test_a_script_cut_off_by_a_reboot_is_run_again(cloud: Cloud, node: Node) -> None:
    """When agent and script die together the step runs again instead of hanging for ever."""
    cloud.deploy(
        "d",
        '#!/bin/sh\n[ -e "$LOG" ] && echo again && exit; touch "$LOG"; sleep 600',
        LOG=str(node.state / "log"),
    )
    runner = node.runner("d")
    while not (node.state / "log").exists():
        time.sleep(0.05)
    node.kill()
    script = int(subprocess.check_output(["pgrep", "-P", str(runner)]).split()[0])
    os.killpg(runner, signal.SIGKILL)
    os.killpg(script, signal.SIGKILL)
    node.boot()
    assert cloud.signal_of("d")["deploy_stdout"] == "again\n"


def test_a_finished_deployment_is_not_run_again(cloud: Cloud, node: Node) -> None:
    """Heat goes on showing finished deployments; a restarted agent leaves them alone."""
    cloud.deploy("d", '#!/bin/sh\necho run >>"$LOG"', LOG=str(node.state / "log"))
    cloud.signal_of("d")
    node.kill()
    node.boot()
    cloud.deploy("e", "#!/bin/sh\ntrue")
    cloud.signal_of("e")
    assert (node.state / "log").read_text() == "run\n"


def test_an_unknown_group_fails_instead_of_hanging(cloud: Cloud, node: Node) -> None:
    """A deployment for a hook we have not got says so."""
    cloud.deploy("d", "{}")
    cloud.deployments[0]["group"] = "ansible"
    result = cloud.signal_of("d")
    assert result["deploy_status_code"] == 1
    assert "no hook for group 'ansible'" in result["problem"]


def test_an_expired_token_and_a_broken_cloud_are_survived(cloud: Cloud, node: Node) -> None:
    """A refused token is renewed; errors of Heat only delay."""
    cloud.deploy("a", "#!/bin/sh\ntrue")
    cloud.signal_of("a")
    cloud.refused_tokens = {f"token-{number}" for number in range(cloud.tokens + 1)}
    cloud.failures = 1
    cloud.deploy("b", "#!/bin/sh\ntrue")
    assert cloud.signal_of("b")["deploy_status_code"] == 0


def test_wrong_arguments_are_a_usage_error() -> None:
    """The agent says how it is used and exits with status 2."""
    done = subprocess.run([sys.executable, str(AGENT), "help"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")


@pytest.mark.parametrize(
    ("quiet", "seconds"), [(0, 1), (5.9, 1), (6, 2), (40, 2), (100, 5), (200, 10), (9999, 15)]
)
def test_a_quiet_node_asks_ever_more_rarely(quiet: float, seconds: float) -> None:
    """Polls are close while something goes on, then rarer and rarer, 15 s apart at most."""
    interval = runpy.run_path(str(AGENT))["interval"]
    assert interval({}, quiet) == pytest.approx(seconds)


def test_a_longer_interval_of_the_server_is_kept() -> None:
    """Whoever asks for 60 s in the server's metadata gets no more polls when it is quiet."""
    interval = runpy.run_path(str(AGENT))["interval"]
    assert interval({"os-collect-config": {"polling_interval": 60}}, 9999) == 60


def test_the_cheap_list_takes_the_place_of_the_metadata(cloud: Cloud, node: Node) -> None:
    """Once it has told what the metadata told, the agent asks nothing else."""
    cloud.deploy("a", "#!/bin/sh\ntrue")
    cloud.signal_of("a")
    polls, lists = cloud.polls, cloud.lists
    cloud.deploy("b", "#!/bin/sh\ntrue")
    assert cloud.signal_of("b")["deploy_status_code"] == 0
    assert cloud.polls == polls
    assert cloud.lists > lists


@pytest.mark.parametrize("way", ["other id", "refused", "refused later"])
def test_without_the_cheap_list_the_metadata_serve(cloud: Cloud, tmp_path: Path, way: str) -> None:
    """A stale server id or a cloud's policy costs no deployment."""
    node = Node(tmp_path, cloud)
    if way == "other id":
        node.server_id.write_text("of-the-image\n")
    cloud.closed_lists = way == "refused"
    node.boot()
    try:
        cloud.deploy("a", "#!/bin/sh\ntrue")
        cloud.signal_of("a")
        cloud.closed_lists = cloud.closed_lists or way == "refused later"
        polls = cloud.polls
        cloud.deploy("b", "#!/bin/sh\ntrue")
        assert cloud.signal_of("b")["deploy_status_code"] == 0
        assert cloud.polls > polls
    finally:
        node.kill()
