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


def lease(sandbox: Sandbox, subnet: str, before: str = "") -> Result:
    """Run the program as flanneld does after it has leased a subnet."""
    script = sandbox.folder / "lease.sh"
    text = LEASE.format(subnet=subnet)
    script.write_text(f"mkdir -p /run/flannel /etc/systemd/system\n{before}"
                      f"cat >/run/flannel/subnet.env <<END\n{text}END\n"
                      f"exec bash {PROGRAM}\n")  # fmt: skip
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
