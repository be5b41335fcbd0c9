# SPDX-License-Identifier: Apache-2.0
"""Tests of flannel-cni: addresses of cni0, and of docker0 if Docker is installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import HOT, Result, Sandbox

PROGRAM = HOT / "blocks/network/flannel/flannel-cni.sh"
LEASE = """FLANNEL_NETWORK=10.244.0.0/16
FLANNEL_SUBNET={subnet}
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
"""
CONFLIST = "/etc/cni/net.d/10-flannel.conflist"
# The program deletes a network device, and kills processes: those of this machine must not exist.
ISOLATED = "unshare --net --pid --fork --mount-proc --kill-child"
# A pod, and a pod with the network of the node. Print which of them are running at the end.
PODS = """\
set -eu
export PATH="$PATH:/usr/sbin:/sbin"
cp "$(command -v sleep)" /run/pause
ip link add cni0 type bridge
unshare --net /run/pause 60 & pod=$!
/run/pause 60 & host=$!
sleep 0.5
{}
sleep 0.2
for name in pod host; do ! kill -0 ${{!name}} 2>/dev/null || echo "running: $name"; done
! ip link show cni0 >/dev/null 2>&1 || echo "running: cni0"
"""
DOCKER = "touch /etc/systemd/system/docker.service\n"


@pytest.fixture
def restarts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file to which calls of systemctl are logged."""
    log, stub = tmp_path / "systemctl.log", tmp_path / "bin/systemctl"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\necho "$*" >>{log}\n')
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}:/usr/sbin:/usr/bin:/sbin:/bin")
    log.touch()
    return log


def lease(sandbox: Sandbox, subnet: str, before: str = "", around: str = "{}") -> Result:
    """Run the program as flanneld does after it has leased a subnet.

    Args:
        sandbox: the node.
        subnet: the subnet.
        before: commands to run before.
        around: commands that run the program, ``{}``, in the same namespaces.
    """
    script, runner = sandbox.folder / "lease.sh", sandbox.folder / "runner.sh"
    runner.write_text(around.format(f"bash {PROGRAM}"))
    text = LEASE.format(subnet=subnet)
    script.write_text(f"mkdir -p /run/flannel /etc/systemd/system\n{before}"
                      f"cat >/run/flannel/subnet.env <<END\n{text}END\n"
                      f"exec {ISOLATED} bash {runner}\n")  # fmt: skip
    return sandbox.run(script)


def bridge(sandbox: Sandbox) -> dict[str, Any]:
    """Return the configuration of the bridge plug-in."""
    plugins: list[dict[str, Any]] = json.loads(sandbox.file(CONFLIST).read_text())["plugins"]
    return plugins[0]


def test_without_docker(sandbox: Sandbox, restarts: Path) -> None:
    """Without Docker, pods use the complete lease, and no service is restarted."""
    assert lease(sandbox, "10.244.7.1/24").status == 0
    assert bridge(sandbox)["ipam"]["ranges"] == [[{"subnet": "10.244.7.0/24"}]]
    assert bridge(sandbox)["mtu"] == 1450
    assert not sandbox.file("/run/flannel/docker.env").exists()
    assert restarts.read_text() == ""


def test_with_docker(sandbox: Sandbox, restarts: Path) -> None:
    """docker0 gets the upper half of the lease; Docker restarts once for each new lease."""
    for subnet in ("10.244.7.1/24", "10.244.7.1/24", "10.244.9.1/24"):
        assert lease(sandbox, subnet, DOCKER).status == 0
    assert bridge(sandbox)["ipam"]["ranges"] == [[{"subnet": "10.244.9.0/25"}]]
    options = sandbox.file("/run/flannel/docker.env").read_text()
    assert options == 'DOCKER_NETWORK="--bip=10.244.9.129/25 --mtu=1450"\n'
    assert restarts.read_text() == "try-restart --no-block docker.service\n" * 2


def test_lease_of_other_size_with_docker(sandbox: Sandbox, restarts: Path) -> None:
    """With Docker, a lease that is not a /24 network is an error; nothing is written."""
    result = lease(sandbox, "10.244.7.1/26", DOCKER)
    assert result.status != 0
    assert "10.244.7.0/26" in result.stderr
    assert not sandbox.file(CONFLIST).exists()
    assert restarts.read_text() == ""


def running(result: Result) -> set[str]:
    """Return what is running at the end of :data:`PODS`."""
    assert result.status == 0, result.stderr
    lines = result.stdout.splitlines()
    return {line.removeprefix("running: ") for line in lines if line.startswith("running: ")}


@pytest.mark.parametrize(
    ("first", "second", "docker"),
    [
        ("10.244.7.1/24", "10.244.7.1/24", ""),
        # A runtime that is installed later: the same lease, but pods use a part of it.
        ("10.244.7.1/24", "10.244.7.1/24", DOCKER),
    ],
)
def test_same_lease(first: str, second: str, docker: str, sandbox: Sandbox, restarts: Path) -> None:
    """Pods continue if flanneld restarts with the same lease."""
    assert lease(sandbox, first).status == 0
    assert running(lease(sandbox, second, docker, PODS)) == {"pod", "host", "cni0"}


def test_first_lease(sandbox: Sandbox, restarts: Path) -> None:
    """The first lease of a node does not affect processes."""
    assert running(lease(sandbox, "10.244.7.1/24", "", PODS)) == {"pod", "host", "cni0"}


@pytest.mark.parametrize("docker", ["", DOCKER])
def test_other_lease(docker: str, sandbox: Sandbox, restarts: Path) -> None:
    """With another subnet, as after days of suspension, pods and bridge are recreated.

    Pods with the network of the node continue.
    """
    assert lease(sandbox, "10.244.7.1/24", docker).status == 0
    result = lease(sandbox, "10.244.9.1/24", docker, PODS)
    assert running(result) == {"host"}
    assert "the lease has changed from 10.244.7.0/2" in result.stdout


def test_other_lease_after_a_restart(sandbox: Sandbox, restarts: Path) -> None:
    """After a restart of the node there is no bridge yet: nothing has to be recreated."""
    assert lease(sandbox, "10.244.7.1/24").status == 0
    result = lease(sandbox, "10.244.9.1/24")
    assert (result.status, result.stdout) == (0, "")
    assert bridge(sandbox)["ipam"]["ranges"] == [[{"subnet": "10.244.9.0/24"}]]
