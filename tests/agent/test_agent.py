# SPDX-License-Identifier: Apache-2.0
"""Tests of the agent with a simulated Keystone and Heat on localhost."""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.http_server import running

AGENT = Path(__file__).parents[2] / "hot" / "agent" / "heatgen-agent"
TIMEOUT = 20.0  # seconds
SERVER = "0b2f6e6c-server"
SHORTER = {"BUSY_POLL = 1.0": "BUSY_POLL = 0.1", "TICK = 0.2": "TICK = 0.02"}
"""Intervals of the agent in tests; an idle agent of a test is still busy (``BUSY_FOR``)."""


def wait_until(condition: Callable[[], bool], what: str = "condition") -> None:
    """Wait until a condition is true; fail after the time limit."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, f"no {what} within {TIMEOUT} s"
        time.sleep(0.01)


class Cloud(ThreadingHTTPServer):
    """A simulated Keystone and Heat, with the metadata and signals of one server."""

    daemon_threads = True

    def __init__(self, tls: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.url = f"https://localhost:{self.server_address[1]}"
        self.login = 201
        self.page = b""
        self.deployments: list[dict[str, Any]] = []
        self.signals: dict[str, dict[str, Any]] = {}
        self.rejected_tokens: set[str] = set()
        self.tokens = 0
        self.failures = 0
        self.polls = self.lists = 0
        self.forbid_list = False

    def deploy(self, name: str, script: str, **inputs: Any) -> None:
        """Add a deployment to the server's metadata."""
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
        """Wait for the signal of a deployment; return its body."""
        wait_until(lambda: name in self.signals, f"signal for {name}")
        return self.signals[name]


class Handler(BaseHTTPRequestHandler):
    """Handler of the requests that the agent sends."""

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
        """Return the metadata of the server (Heat)."""
        if self.server.failures:
            self.server.failures -= 1
            self.reply(503, {})
        elif self.server.page:
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.server.page)))
            self.end_headers()
            self.wfile.write(self.server.page)
        elif self.headers["X-Auth-Token"] in self.server.rejected_tokens:
            self.reply(401, {})
        elif self.path.startswith("/v1/p/software_deployments/metadata/"):
            self.server.lists += 1
            known = self.path.endswith(f"/{SERVER}")
            status = 403 if self.server.forbid_list else 200
            self.reply(status, {"metadata": self.server.deployments if known else []})
        else:
            self.server.polls += 1
            collect = {"os-collect-config": {"polling_interval": 1}}
            self.reply(200, {"metadata": {**collect, "deployments": self.server.deployments}})

    def do_POST(self) -> None:
        """Return a token and the catalog (Keystone), or record a signal (Heat)."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v3/auth/tokens" and self.server.login != 201:
            self.reply(self.server.login, {"error": {"message": "no"}})
        elif self.path == "/v3/auth/tokens":
            self.server.tokens += 1
            endpoint = {"interface": "public", "region_id": "r", "url": self.server.url + "/v1/p"}
            catalog = [{"type": "orchestration", "endpoints": [endpoint]}]
            token = f"token-{self.server.tokens}"
            self.reply(201, {"token": {"catalog": catalog}}, X_Subject_Token=token)
        else:
            self.server.signals[self.path.split("/")[-2]] = body
            self.reply(200, {})

    def log_message(self, format: str, *args: Any) -> None:
        """Discard the message."""


class Node:
    """A server that runs the agent: its state directory and the agent's process."""

    def __init__(self, folder: Path, cloud: Cloud, auth_url: str = "", region: str = "r") -> None:
        self.state = folder / "state"
        self.journal = folder / "journal"
        self.console = folder / "console"
        self.console.touch()
        heat = {
            "auth_url": auth_url or cloud.url,
            "user_id": "server",
            "password": "hush-server",
            "project_id": "p",
            "stack_id": "demo/1",
            "resource_name": "control_0",
            "region_name": region,
        }
        metadata = folder / "cfn-init-data"
        metadata.write_text(json.dumps({"os-collect-config": {"heat": heat}, "deployments": []}))
        self.server_id = folder / "instance-id"
        self.server_id.write_text(f"{SERVER}\n")
        text = AGENT.read_text().replace("/var/lib/heat-cfntools/cfn-init-data", str(metadata))
        text = text.replace("/var/lib/cloud/data/instance-id", str(self.server_id))
        for line, shorter in SHORTER.items():
            assert line in text
            text = text.replace(line, shorter)
        self.program = folder / "heatgen-agent"
        self.program.write_text(text)
        self.process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Start the agent."""
        with self.journal.open("ab") as journal:
            self.process = subprocess.Popen(
                [sys.executable, str(self.program)],
                env={
                    **os.environ,
                    "HEATGEN_AGENT_STATE": str(self.state),
                    "HEATGEN_AGENT_CONSOLE": str(self.console),
                },
                stderr=journal,
            )

    def kill(self) -> None:
        """Kill only the agent, as a restart of its service does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def shown(self, text: str) -> str:
        """Wait until the console contains a text; return the line with it."""
        end = time.monotonic() + TIMEOUT
        while True:
            for line in self.console.read_text().splitlines():
                if text in line:
                    return line
            assert time.monotonic() < end, f"{text!r} is not in: {self.console.read_text()}"
            time.sleep(0.01)

    def runner(self, name: str) -> int:
        """Wait for a deployment's runner and return its process id."""
        path = self.state / f"{name}@id-{name}" / "runner"
        wait_until(path.exists, f"runner of {name}")
        return int(path.read_text().split()[0])


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Yield a simulated Keystone and Heat on a free port of localhost."""
    server = Cloud()
    with running(server):
        yield server


@pytest.fixture
def node(tmp_path: Path, cloud: Cloud) -> Iterator[Node]:
    """Yield a booted server."""
    server = Node(tmp_path, cloud)
    server.boot()
    yield server
    server.kill()


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


def test_wrong_arguments_are_a_usage_error() -> None:
    """With wrong arguments the agent prints its usage and exits with status 2."""
    process = subprocess.run([sys.executable, str(AGENT), "help"], capture_output=True, text=True)
    assert process.returncode == 2
    assert process.stderr.startswith("usage:")


@pytest.mark.parametrize(
    ("idle", "seconds"), [(0, 1), (5.9, 1), (6, 2), (40, 2), (100, 5), (200, 10), (9999, 15)]
)
def test_poll_interval_of_idle_node(idle: float, seconds: float) -> None:
    """The interval increases with the idle time, up to 15 s."""
    interval = runpy.run_path(str(AGENT))["interval"]
    assert interval({}, idle) == pytest.approx(seconds)


def test_longer_polling_interval_in_metadata() -> None:
    """A longer polling_interval in the server's metadata is used for idle nodes."""
    interval = runpy.run_path(str(AGENT))["interval"]
    assert interval({"os-collect-config": {"polling_interval": 60}}, 9999) == 60


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
def test_fallback_to_metadata(cloud: Cloud, tmp_path: Path, case: str) -> None:
    """With a stale server id, or if the list is forbidden, the metadata are polled."""
    node = Node(tmp_path, cloud)
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


@contextmanager
def booted(node: Node) -> Iterator[Node]:
    """Run the agent of a server."""
    node.boot()
    try:
        yield node
    finally:
        node.kill()


def certificate(folder: Path, name: str) -> Path:
    """Return a file with a key and a self-signed certificate."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
            *("-keyout", folder / "key", "-out", folder / "crt"),
        ],
        check=True,
        capture_output=True,
    )
    both = folder / "both"
    both.write_text((folder / "key").read_text() + (folder / "crt").read_text())
    return both


@pytest.mark.parametrize("case", ["untrusted", "other name"])
def test_reason_of_certificate(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The console shows that the certificate of the cloud is not trusted, or is of another name."""
    pem = certificate(tmp_path, "localhost" if case == "untrusted" else "cloud.example")
    if case == "other name":
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "crt"))
    cloud = Cloud(pem)
    with running(cloud), booted(Node(tmp_path, cloud)) as node:
        line = node.shown("CERTIFICATE_VERIFY_FAILED")
        check = "site.ca_certificates" if case == "untrusted" else "names in the certificate"
        assert check in line
        assert line.startswith("heatgen-agent: cannot poll Heat: POST localhost:")
        assert line.removeprefix("heatgen-agent: ") in node.journal.read_text()


def test_reason_of_unknown_name(cloud: Cloud, tmp_path: Path) -> None:
    """The console shows that the name of Keystone cannot be resolved."""
    with booted(Node(tmp_path, cloud, "https://keystone.invalid:5000/v3")) as node:
        line = node.shown("cannot poll Heat: POST keystone.invalid:5000: ")
        assert "cloud.dns" in line


def test_reason_of_refused_connection(cloud: Cloud, tmp_path: Path) -> None:
    """The console shows that nothing listens at Keystone's address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with booted(Node(tmp_path, cloud, f"http://127.0.0.1:{port}/v3")) as node:
        assert "routes and firewalls" in node.shown("Connection refused")


def test_reason_of_other_protocol(tmp_path: Path) -> None:
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
        node = Node(tmp_path, cast("Cloud", SimpleNamespace(url=url)))
        with booted(node):
            assert "SSH-2.0" in node.shown("cannot poll Heat: POST 127.0.0.1:")
            assert node.process is not None
            assert node.process.poll() is None
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "the user that Heat created"), (404, "auth_url"), (503, "services of the cloud")],
)
def test_reason_of_keystone(cloud: Cloud, tmp_path: Path, status: int, advice: str) -> None:
    """The console shows the status with which Keystone rejects the server's credentials."""
    cloud.login = status
    with booted(Node(tmp_path, cloud)) as node:
        assert advice in node.shown(f"/v3/auth/tokens: HTTP Error {status}")


def test_reason_of_missing_endpoint(cloud: Cloud, tmp_path: Path) -> None:
    """The console shows that the catalog has no endpoint of Heat in the server's region."""
    with booted(Node(tmp_path, cloud, region="elsewhere")) as node:
        node.shown("has no public endpoint of Heat in region 'elsewhere'")


def test_reason_of_other_page(cloud: Cloud, tmp_path: Path) -> None:
    """The console shows that a web page responds instead of Heat; recovery is shown, too."""
    cloud.page = b"<!DOCTYPE html><title>Login</title>"
    with booted(Node(tmp_path, cloud)) as node:
        node.shown("it begins with '<!DOCTYPE html>")
        cloud.page = b""
        node.shown("heatgen-agent: can poll Heat again")
        cloud.deploy("d", "#!/bin/sh\ntrue")
        assert cloud.signal_of("d")["deploy_status_code"] == 0


def test_missing_metadata_on_console(cloud: Cloud, tmp_path: Path) -> None:
    """After a while the console shows that the server has no metadata of Heat."""
    node = Node(tmp_path, cloud)
    (tmp_path / "cfn-init-data").unlink()
    node.program.write_text(
        node.program.read_text().replace("METADATA_GRACE = 30.0", "METADATA_GRACE = 0.1")
    )
    with booted(node):
        assert "metadata service" in node.shown("waiting for Heat metadata")


def test_failures_are_reported_ever_less_often(tmp_path: Path) -> None:
    """Repeated failures are reported at ever longer intervals; the console has a last line."""
    path = tmp_path / "console"
    path.touch()
    agent = runpy.run_path(str(AGENT))
    console = agent["Console"]()
    agent["Console"].write.__globals__["CONSOLE"] = str(path)
    failures = agent["Failures"]("poll Heat", console)
    for _ in range(1000):
        failures.failed("timed out")
    counts = [line.partition("(")[2] for line in path.read_text().splitlines()]
    assert len(counts) == 10
    assert counts[-1] == "512 times): timed out"
    for number in range(1000):
        failures.failed(f"other {number}")
    lines = path.read_text().splitlines()
    assert len(lines) == agent["CONSOLE_LINES"]
    assert "journalctl" in lines[-1]


def test_blocked_console(cloud: Cloud, tmp_path: Path) -> None:
    """A console that does not exist, or is not read, does not stop the agent."""
    node = Node(tmp_path, cloud)
    node.console.unlink()
    os.mkfifo(node.console)
    cloud.failures = 2
    cloud.deploy("d", "#!/bin/sh\ntrue")
    with booted(node):
        assert cloud.signal_of("d")["deploy_status_code"] == 0
