# SPDX-License-Identifier: Apache-2.0
"""A simulated Keystone and Heat on localhost, and servers that run one of the two agents."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest

TIMEOUT = 60.0  # seconds
SERVER = "0b2f6e6c-server"


@dataclass(frozen=True)
class Kind:
    """One of the two agents, and how its tests differ."""

    name: str
    program: Path
    interpreter: str
    shorter: Mapping[str, str]
    """Intervals in tests; an idle agent of a test is still busy (``BUSY_FOR``)."""
    quick_retries: Mapping[str, str]
    idle: tuple[str, str]
    """An agent that is idle at once."""
    grace: tuple[str, str]
    http_timeout: tuple[str, str]
    reasons: Mapping[str, str]
    """Parts of the messages of the HTTP client."""

    @property
    def command(self) -> list[str]:
        """Return the start of the command line that runs the agent."""
        return [self.interpreter, str(self.program)]

    def skip_reason(self) -> str:
        """Return what this machine lacks to run the agent, empty if it lacks nothing."""
        lacking = [name for name in ("curl", "jq") if shutil.which(name) is None]
        return f"not installed: {', '.join(lacking)}" if self is SHELL and lacking else ""


AGENTS = Path(__file__).parents[2] / "hot" / "agent"
PYTHON = Kind(
    name="python",
    program=AGENTS / "heatgen-agent",
    interpreter=sys.executable,
    shorter={"\nBUSY_POLL = 1.0": "\nBUSY_POLL = 0.1", "\nTICK = 0.2": "\nTICK = 0.02"},
    quick_retries={
        "min(self.pause * 2, 30.0)": "0.1",
        "self.pause = 1.0": "self.pause = 0.1",
    },
    idle=("\nBUSY_FOR = 6.0", "\nBUSY_FOR = 0.0"),
    grace=("METADATA_GRACE = 30.0", "METADATA_GRACE = 0.1"),
    http_timeout=("HTTP_TIMEOUT = 30", "HTTP_TIMEOUT = 1"),
    reasons={
        "untrusted": "CERTIFICATE_VERIFY_FAILED",
        "other name": "CERTIFICATE_VERIFY_FAILED",
        "refused": "Connection refused",
        "other protocol": "SSH-2.0",
        "silent": "timed out",
    },
)
SHELL = Kind(
    name="shell",
    program=AGENTS / "heatgen-agent.sh",
    interpreter="bash",
    shorter={" BUSY_POLL=1000": " BUSY_POLL=100", "\nTICK=0.2": "\nTICK=0.02"},
    quick_retries={
        "\nFIRST_PAUSE=1000": "\nFIRST_PAUSE=100",
        "\nLAST_PAUSE=30000": "\nLAST_PAUSE=100",
    },
    idle=(" BUSY_FOR=6000", " BUSY_FOR=0"),
    grace=("METADATA_GRACE=30000", "METADATA_GRACE=100"),
    http_timeout=("HTTP_TIMEOUT=30", "HTTP_TIMEOUT=1"),
    reasons={
        "untrusted": "SSL certificate problem",
        "other name": "subject name",
        "refused": "connect to",
        "other protocol": "HTTP/0.9",
        "silent": "Operation too slow",
    },
)
KINDS = (PYTHON, SHELL)


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
        self.delay = 0.0
        self.interval = 1
        self.login = 201
        self.token = "token"
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
        time.sleep(self.server.delay)
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
            collect = {"os-collect-config": {"polling_interval": self.server.interval}}
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
            token = f"{self.server.token}-{self.server.tokens}"
            self.reply(201, {"token": {"catalog": catalog}}, X_Subject_Token=token)
        else:
            self.server.signals[self.path.split("/")[-2]] = body
            self.reply(200, {})

    def log_message(self, format: str, *args: Any) -> None:
        """Discard the message."""


class Node:
    """A server that runs the agent: its state directory and the agent's process."""

    def __init__(
        self, kind: Kind, folder: Path, cloud: Cloud, auth_url: str = "", region: str = "r"
    ) -> None:
        self.kind = kind
        self.folder = folder
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
        self.program = folder / "heatgen-agent"
        self.program.write_text(kind.program.read_text())
        self.change("/var/lib/heat-cfntools/cfn-init-data", str(metadata))
        self.change("/var/lib/cloud/data/instance-id", str(self.server_id))
        for before, after in kind.shorter.items():
            self.change(before, after)
        self.process: subprocess.Popen[bytes] | None = None

    def change(self, before: str, after: str) -> None:
        """Replace text that occurs once in the agent's program."""
        text = self.program.read_text()
        assert text.count(before) == 1, before
        self.program.write_text(text.replace(before, after))

    def boot(self, **environ: str) -> None:
        """Start the agent."""
        with self.journal.open("ab") as journal:
            self.process = subprocess.Popen(
                [self.kind.interpreter, str(self.program)],
                env={
                    **os.environ,
                    **environ,
                    "RUNTIME_DIRECTORY": str(self.folder / "run"),
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

    def reported(self, text: str) -> None:
        """Wait until the journal contains a text."""
        end = time.monotonic() + TIMEOUT
        while text not in self.journal.read_text():
            assert time.monotonic() < end, self.journal.read_text()
            time.sleep(0.05)


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


def trust(monkeypatch: pytest.MonkeyPatch, certificates: Path) -> None:
    """Have agents trust only these certificates; the variable of curl precedes that of OpenSSL."""
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(certificates))


Machine = TypeVar("Machine", bound=Node)


@contextmanager
def booted(node: Machine, **environ: str) -> Iterator[Machine]:
    """Run the agent of a server."""
    node.boot(**environ)
    try:
        yield node
    finally:
        node.kill()
