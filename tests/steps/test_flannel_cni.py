# SPDX-License-Identifier: Apache-2.0
"""What a node makes of flannel's lease: the pods' addresses, and docker0's where Docker runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import HOT, Ran, Sandbox

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
    """The file with what systemctl was asked to do."""
    log, stub = tmp_path / "systemctl.log", tmp_path / "bin/systemctl"
    stub.parent.mkdir()
    stub.write_text(f'#!/bin/sh\necho "$*" >>{log}\n')
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stub.parent}:/usr/sbin:/usr/bin:/sbin:/bin")
    log.touch()
    return log


def lease(sandbox: Sandbox, subnet: str, before: str = "") -> Ran:
    """Run the program as flanneld does once it has leased a subnet."""
    script = sandbox.folder / "lease.sh"
    text = LEASE.format(subnet=subnet)
    script.write_text(f"mkdir -p /run/flannel /etc/systemd/system\n{before}"
                      f"cat >/run/flannel/subnet.env <<END\n{text}END\n"
                      f"exec bash {PROGRAM}\n")  # fmt: skip
    return sandbox.run(script)


def bridge(sandbox: Sandbox) -> dict[str, Any]:
    """The bridge plug-in's configuration."""
    plugins: list[dict[str, Any]] = json.loads(sandbox.file(CONFLIST).read_text())["plugins"]
    return plugins[0]


def test_without_docker_the_pods_have_the_whole_lease(sandbox: Sandbox, restarts: Path) -> None:
    """The lease's network and MTU are the bridge's, and nothing is said to Docker."""
    assert lease(sandbox, "10.244.7.1/24").status == 0
    assert bridge(sandbox)["ipam"]["ranges"] == [[{"subnet": "10.244.7.0/24"}]]
    assert bridge(sandbox)["mtu"] == 1450
    assert not sandbox.file("/run/flannel/docker.env").exists()
    assert restarts.read_text() == ""


def test_docker_gets_the_upper_half(sandbox: Sandbox, restarts: Path) -> None:
    """Pods and docker0 share no address, and Docker restarts once for each new lease only."""
    for subnet in ("10.244.7.1/24", "10.244.7.1/24", "10.244.9.1/24"):
        assert lease(sandbox, subnet, DOCKER).status == 0
    assert bridge(sandbox)["ipam"]["ranges"] == [[{"subnet": "10.244.9.0/25"}]]
    options = sandbox.file("/run/flannel/docker.env").read_text()
    assert options == 'DOCKER_NETWORK="--bip=10.244.9.129/25 --mtu=1450"\n'
    assert restarts.read_text() == "try-restart --no-block docker.service\n" * 2


def test_a_lease_of_another_size_is_refused_for_docker(sandbox: Sandbox, restarts: Path) -> None:
    """A lease that cannot be halved stops the program with a reason and no configuration."""
    ran = lease(sandbox, "10.244.7.1/26", DOCKER)
    assert ran.status != 0
    assert "10.244.7.0/26: it is no /24" in ran.stderr
    assert not sandbox.file(CONFLIST).exists()
    assert restarts.read_text() == ""
