# SPDX-License-Identifier: Apache-2.0
"""Tests of the check that a node supports the mode of kube-proxy (orchestration/node)."""

from __future__ import annotations

import json

import pytest

from .conftest import Result, Sandbox
from .test_resolver import SERVER, node_step, write

NFT = """cat >/run/stub/nft <<'END'
#!/bin/bash
case $1 in
    --version) echo "nftables v{version} (name)" ;;
    *) {check} ;;
esac
END"""
UNAME = "printf '%s\\n' '#!/bin/bash' 'echo {release}' >/run/stub/uname"
EXECUTABLE = "chmod +x /run/stub/*"


def step(
    sandbox: Sandbox,
    mode: str,
    *system: str,
    release: str = "6.1.0-44-amd64",
    version: str = "1.0.6",
    check: str = "exit 0",
) -> Result:
    """Run the step with this mode of kube-proxy on this kernel and nft."""
    nft = NFT.format(version=version, check=check)
    uname = UNAME.format(release=release)
    resolver = write("/etc/resolv.conf", SERVER)
    config = json.dumps({"mode": mode, "detectLocalMode": "ClusterCIDR"}, indent=1)
    return node_step(
        sandbox, resolver, nft, uname, *system, EXECUTABLE, proxy=config if mode else "x"
    )


@pytest.mark.parametrize("mode", ["iptables", "nftables", ""])
def test_supported(sandbox: Sandbox, mode: str) -> None:
    """The step starts kube-proxy in a mode that the node supports."""
    result = step(sandbox, mode)
    assert result.status == 0, result.stderr
    assert sandbox.file("/run/active/kube-proxy.service").exists()


def test_nftables_without_iptables(sandbox: Sandbox) -> None:
    """The mode nftables does not require iptables."""
    assert step(sandbox, "nftables", "touch /run/no-iptables").status == 0


@pytest.mark.parametrize(
    ("mode", "system", "more", "word"),
    [
        ("iptables", ["touch /run/no-iptables"], {}, "no table nat"),
        ("nftables", [], {"release": "5.10.0-30-amd64"}, "Linux 5.13 or later"),
        ("nftables", [], {"version": "0.9.8"}, "nft 1.0.1 or later, not 0.9.8"),
        ("nftables", [], {"check": "echo 'no nf_tables' >&2; exit 1"}, "no nf_tables"),
    ],
)
def test_not_supported(
    sandbox: Sandbox, mode: str, system: list[str], more: dict[str, str], word: str
) -> None:
    """The problem names what is missing and what to do, before anything is started."""
    result = step(sandbox, mode, *system, **more)
    assert result.status != 0
    assert word in result.problem
    assert "image" in result.problem
    assert ("overrides.kube_proxy.mode: iptables" in result.problem) == (mode == "nftables")
    assert not sandbox.file("/etc/kubernetes/kube-proxy.json").exists()
