# SPDX-License-Identifier: Apache-2.0
"""Tests of the packet filter for the metadata service, which the step network/start installs."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from .conftest import HOT, Result, Sandbox

BLOCK = HOT / "blocks/network/flannel"
FILTER = "/etc/heatgen/pod-metadata.nft"

# Services and packet filters are only recorded; the step ends when it needs the node's address.
PROLOGUE = """
mkdir -p /run/stub /etc/systemd/system
stub() {
    printf '%s\\n' '#!/bin/bash' "${@:2}" >/run/stub/$1
}
stub systemctl 'echo "systemctl $*" >>/run/calls' '[ "$1" != is-active ]'
stub nft 'echo "nft $*" >>/run/calls'
stub ip 'exit 1'
chmod +x /run/stub/*
export PATH=/run/stub:$PATH
rm -f /run/calls
"""


def start(sandbox: Sandbox, access: str) -> tuple[Result, list[str]]:
    """Run the step with this access to the metadata service; return its result, and the calls."""
    script = sandbox.folder / "start.sh"
    script.write_text("\n".join(["set -eu", PROLOGUE, f"exec /bin/bash {BLOCK}/20-start.sh"]))
    result = sandbox.run(
        script,
        HEATGEN_STEP="network/start",
        FLANNEL_ARTIFACT="",
        CNI_ARTIFACT="",
        BACKEND="vxlan",
        VXLAN_VNI="1",
        METADATA_SERVICE=access,
        METADATA_FILTER=(BLOCK / "pod-metadata.nft").read_text(),
        METADATA_UNIT=(BLOCK / "pod-metadata.service").read_text(),
    )
    calls = sandbox.file("/run/calls")
    return result, calls.read_text().splitlines() if calls.exists() else []


def test_filter_precedes_the_network(sandbox: Sandbox) -> None:
    """The filter is loaded before anything else, and after each boot."""
    result, calls = start(sandbox, "deny")
    assert "no default route" in result.problem
    assert sandbox.file(FILTER).exists()
    assert "systemctl enable --quiet pod-metadata.service" in calls
    assert "systemctl restart pod-metadata.service" in calls


def test_filter_is_removed(sandbox: Sandbox) -> None:
    """With metadata_service: allow, an update removes the filter and its service."""
    start(sandbox, "deny")
    _, calls = start(sandbox, "allow")
    assert "systemctl disable --now --quiet pod-metadata.service" in calls
    assert "nft delete table inet heatgen-metadata" in calls
    assert not sandbox.file(FILTER).exists() or sandbox.file(FILTER).is_char_device()
    _, calls = start(sandbox, "allow")
    assert [call for call in calls if " is-active " not in call] == []


def test_filter_can_be_loaded_twice() -> None:
    """Loading the filter again replaces it; it has one rule, and needs no other table."""
    nft = shutil.which("nft", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if nft is None:
        pytest.skip("this machine has no nft")
    load = f"{nft} --file {BLOCK}/pod-metadata.nft"
    namespace = ["unshare", "--net", "sh", "-ec", f"{load}; {load}; {nft} list ruleset"]
    done = subprocess.run(namespace, capture_output=True, text=True, timeout=30)
    if "Operation not permitted" in done.stderr:
        pytest.skip("cannot create a network namespace")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("169.254.169.254") == 1
    assert done.stdout.count("table") == 1
