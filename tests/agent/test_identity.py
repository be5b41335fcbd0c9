# SPDX-License-Identifier: Apache-2.0
"""Without cloud-init, the agent gets the server's id and host name from ``meta_data.json``."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.agent.simulation import SERVER, Cloud, Kind, Node, booted, wait_until
from tests.http_server import running

META_DATA = {"uuid": SERVER, "hostname": "demo-worker-0.novalocal", "name": "demo-worker-0"}


class Nova(ThreadingHTTPServer):
    """A simulated metadata service."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), NovaHandler)
        self.answers: list[bytes] = []
        self.requests = 0


class NovaHandler(BaseHTTPRequestHandler):
    """Handler of the requests that the agent sends; the last answer is repeated."""

    server: Nova

    def do_GET(self) -> None:
        """Send the next answer."""
        assert "X-Auth-Token" not in self.headers
        answers = self.server.answers
        self.server.requests += 1
        body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(200 if body else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Discard the message."""


@pytest.fixture
def nova() -> Iterator[Nova]:
    """Yield a metadata service."""
    server = Nova()
    server.answers = [json.dumps(META_DATA).encode()]
    with running(server):
        yield server


class IgnitionNode(Node):
    """A server without cloud-init; programs that change the system only record their arguments."""

    def __init__(self, kind: Kind, folder: Path, cloud: Cloud, nova: Nova) -> None:
        super().__init__(kind, folder, cloud)
        self.server_id.unlink()
        self.change("http://169.254.169.254", f"http://127.0.0.1:{nova.server_port}")
        self.drive = folder / "config-2"
        self.change("/dev/disk/by-label/config-2", str(self.drive))
        self.change("IDENTITY_LIMIT=60000", "IDENTITY_LIMIT=500")
        self.change("    pause 2\n", "    pause 0.1\n")
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.program_of("hostnamectl", "")

    def program_of(self, name: str, script: str) -> None:
        """Add a program."""
        path = self.programs / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.folder}/called\n{script}\n')
        path.chmod(0o755)

    def boot(self, **environ: str) -> None:
        """Start the agent."""
        super().boot(PATH=f"{self.programs}:{os.environ['PATH']}", **environ)

    def called(self) -> list[str]:
        """Return the command lines of the programs that ran."""
        path = self.folder / "called"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def ignition_node(shell: Kind, tmp_path: Path, cloud: Cloud, nova: Nova) -> IgnitionNode:
    """Return a server without cloud-init."""
    return IgnitionNode(shell, tmp_path, cloud, nova)


def polls_list(cloud: Cloud) -> None:
    """Check that the agent knows the server's id: it polls the list of deployments."""
    cloud.deploy("d", "#!/bin/sh\ntrue")
    assert cloud.signal_of("d")["deploy_status_code"] == 0
    wait_until(lambda: cloud.lists > 1)


def test_metadata_service(cloud: Cloud, ignition_node: IgnitionNode, nova: Nova) -> None:
    """Before the first poll, the host name is set to the first label of the name in Nova."""
    with booted(ignition_node) as node:
        polls_list(cloud)
        assert node.called() == ["hostnamectl hostname demo-worker-0"]
        assert nova.requests == 1


def test_restart_without_metadata_service(
    cloud: Cloud, ignition_node: IgnitionNode, nova: Nova
) -> None:
    """After a restart the agent sets the same host name without the metadata service."""
    with booted(ignition_node):
        polls_list(cloud)
    nova.answers = [b""]
    lists = cloud.lists
    with booted(ignition_node) as node:
        wait_until(lambda: cloud.lists > lists)
        assert node.called() == ["hostnamectl hostname demo-worker-0"] * 2
    assert nova.requests == 1


def test_late_metadata_service(cloud: Cloud, ignition_node: IgnitionNode, nova: Nova) -> None:
    """The agent waits for the metadata service, and reports why."""
    nova.answers = [b"", b"<html>", json.dumps(META_DATA).encode()]
    ignition_node.change("IDENTITY_LIMIT=500", "IDENTITY_LIMIT=60000")
    with booted(ignition_node) as node:
        polls_list(cloud)
        node.shown("cannot read the id and the name of the server: GET 127.0.0.1:")
        node.shown("it begins with '<html>'")
        node.shown("can read the id and the name of the server again")
        assert node.called() == ["hostnamectl hostname demo-worker-0"]


def test_missing_metadata_service(cloud: Cloud, ignition_node: IgnitionNode, nova: Nova) -> None:
    """Without the metadata service the agent works, with the metadata of the server resource."""
    nova.answers = [b""]
    with booted(ignition_node) as node:
        cloud.deploy("d", "#!/bin/sh\ntrue")
        assert cloud.signal_of("d")["deploy_status_code"] == 0
        assert node.called() == []
    assert not cloud.lists


def test_config_drive(cloud: Cloud, ignition_node: IgnitionNode, nova: Nova) -> None:
    """If there is a config drive, it is used instead of the metadata service."""
    content = ignition_node.folder / "content/openstack/latest"
    content.mkdir(parents=True)
    (content / "meta_data.json").write_text(json.dumps({**META_DATA, "hostname": "from-drive"}))
    ignition_node.drive.touch()
    ignition_node.program_of("mount", f'cp -r {ignition_node.folder}/content/openstack "$4"')
    ignition_node.program_of("umount", 'rm -r "$1"/*')
    with booted(ignition_node) as node:
        polls_list(cloud)
        called = node.called()
    target = f"{node.folder}/run/drive"
    assert called[:2] == [f"mount -o ro {node.drive} {target}", f"umount {target}"]
    assert called[2:] == ["hostnamectl hostname from-drive"]
    assert nova.requests == 0


@pytest.mark.parametrize("name", [socket.gethostname(), "a b", "-x", "$(id)", None])
def test_host_name_is_kept(
    cloud: Cloud, ignition_node: IgnitionNode, nova: Nova, name: str | None
) -> None:
    """The host name is not set if it is already correct, or if the new one is invalid."""
    nova.answers = [json.dumps({"uuid": SERVER, "hostname": name}).encode()]
    with booted(ignition_node) as node:
        polls_list(cloud)
        assert node.called() == []


def test_host_name_cannot_be_set(cloud: Cloud, ignition_node: IgnitionNode) -> None:
    """The console shows why the host name cannot be set; the agent continues."""
    ignition_node.program_of("hostnamectl", "echo no bus >&2; exit 1")
    with booted(ignition_node) as node:
        node.shown("cannot set the host name to demo-worker-0: no bus")
        polls_list(cloud)


def test_cloud_init_is_left_alone(cloud: Cloud, ignition_node: IgnitionNode, nova: Nova) -> None:
    """With cloud-init, which sets the host name, the agent only reads its file with the id."""
    ignition_node.server_id.write_text(f"{SERVER}\n")
    with booted(ignition_node) as node:
        polls_list(cloud)
        assert node.called() == []
    assert nova.requests == 0
