# SPDX-License-Identifier: Apache-2.0
"""Tests of steps that wait for the turn of their node, hot/lib/turns.sh."""

from __future__ import annotations

import pytest

from .conftest import Result, Sandbox

# The API server knows this node, except if /run/unregistered exists.
STUBS = """
mkdir -p /run/stub /var/lib/heatgen-agent
cat >/run/stub/systemctl <<'END'
#!/bin/bash
echo "systemctl $*" >>/run/calls
[ "$1" != is-active ] || [ -e /run/active ]
END
cat >/run/stub/curl <<'END'
#!/bin/bash
if [ -e /run/unregistered ]; then printf 404; else printf 200; fi
END
chmod +x /run/stub/*
export PATH=/run/stub:$PATH
"""
STEP = """#!/bin/bash
set -euo pipefail
source "$HEATGEN_LIB/step.sh"
fetch() { echo "fetched $1"; }
by_turn "$TOOL_ARTIFACT"
[ ! -e /run/disk-full ] || { echo "disk full" >&2; exit 1; }
echo "ran with $VERSION"
"""
IN_USE = "mkdir -p /var/lib/heatgen/applied; echo old >/var/lib/heatgen/applied/orchestration-node"

TURN = "export HEATGEN_TURN=1"


def step(sandbox: Sandbox, *before: str, **inputs: str) -> Result:
    """Run the step after commands."""
    script = sandbox.folder / "step.sh"
    script.write_text(STEP)
    script.chmod(0o755)
    wrapper = sandbox.folder / "run.sh"
    wrapper.write_text("\n".join([STUBS, *before, f"exec {script}\n"]))
    given = {"VERSION": "1", "TOOL_ARTIFACT": "https://one.example/tool abc", **inputs}
    return sandbox.run(wrapper, HEATGEN_STEP="network/start", **given)


def test_node_that_is_not_in_use(sandbox: Sandbox) -> None:
    """On a new node, and again after a failure there, the step runs at once."""
    for version in ("1", "2"):
        result = step(sandbox, VERSION=version)
        assert (result.status, result.stdout) == (0, f"ran with {version}\n"), result.stderr
        assert result.outputs["turn"] == ""
    assert not sandbox.file("/var/lib/heatgen/staged").exists()


def test_node_in_use(sandbox: Sandbox) -> None:
    """On a node in use the step and its inputs are kept, artifacts are fetched before."""
    step(sandbox)
    result = step(sandbox, IN_USE, VERSION="2")
    assert (result.status, result.stdout.splitlines()[-1][:23]) == (0, "The step network/start "), (
        result.stderr
    )
    staged = sandbox.file("/var/lib/heatgen/staged/network-start")
    assert (staged / "digest").read_text() == result.outputs["turn"]
    assert len(result.outputs["turn"]) == 16
    assert (staged / "inputs.VERSION").read_text() == "2"
    assert b"VERSION=2\0" in (staged / "environment").read_bytes()
    assert (staged / "script").stat().st_mode & 0o777 == 0o700
    calls = sandbox.file("/run/calls").read_text()
    assert "systemctl enable --quiet --now heatgen-switch.service\n" in calls


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"TRUST_REVISION": "2"},
        {"GROUP_LABELS": "a=b"},
        {"deploy_action": "UPDATE"},
        {"TOOL_ARTIFACT": "https://two.example/tool abc"},
        {"HEATGEN_TIMEOUT": "900"},
    ],
    ids=["none", "certificates", "labels", "action", "mirror", "timeout"],
)
def test_changes_that_do_not_wait(sandbox: Sandbox, change: dict[str, str]) -> None:
    """The same version, certificates, labels and another mirror do not wait for a turn."""
    step(sandbox, IN_USE, TURN)
    result = step(sandbox, IN_USE, **change)
    assert (result.status, result.stdout) == (0, "ran with 1\n"), result.stderr
    assert result.outputs["turn"] == ""


@pytest.mark.parametrize("change", [{"TOOL_ARTIFACT": "https://one.example/tool abd"}, {"NEW": ""}])
def test_changes_that_wait(sandbox: Sandbox, change: dict[str, str]) -> None:
    """Another artifact of the same version, and a new input, wait for the turn."""
    step(sandbox, IN_USE, TURN)
    assert step(sandbox, IN_USE, **change).outputs["turn"]


def test_former_version_again(sandbox: Sandbox) -> None:
    """If the update is taken back before the turn, nothing waits any more."""
    step(sandbox, IN_USE, TURN)
    assert step(sandbox, IN_USE, VERSION="2").outputs["turn"]
    assert step(sandbox, IN_USE).outputs["turn"] == ""
    assert not sandbox.file("/var/lib/heatgen/staged/network-start").exists()


@pytest.mark.parametrize(
    ("before", "waits"),
    [("touch /run/active", True), ("touch /run/active /run/unregistered", False), ("", False)],
    ids=["registered", "not-registered", "kubelet-not-active"],
)
def test_nodes_of_older_versions(sandbox: Sandbox, before: str, waits: bool) -> None:
    """On nodes for which no step is recorded, kubelet and API server show whether it is in use."""
    assert bool(step(sandbox, before).outputs["turn"]) == waits


TAKE = """
source "$HEATGEN_LIB/step.sh"
trap - ERR
set +e
fetch() { :; }
take_turn "$TURN"
cat /var/lib/heatgen/staged/answer
ls /var/lib/heatgen/staged
cat /var/lib/heatgen/applied/network-start
"""


def take(sandbox: Sandbox, turn: str) -> list[str]:
    """Take a turn; return the lines of the answer, the steps that still wait, what is applied."""
    script = sandbox.folder / "take.sh"
    script.write_text(f"#!/bin/bash\nset -eu\n{STUBS}\n{TAKE}")
    result = sandbox.run(script, TURN=turn)
    assert result.status == 0, result.stderr
    return result.stdout.splitlines()[1:]


def test_turn(sandbox: Sandbox) -> None:
    """At its turn the step runs with its inputs, and its digest is recorded."""
    step(sandbox, IN_USE, TURN)
    digest = step(sandbox, IN_USE, VERSION="2").outputs["turn"]
    turn = f"network-start={digest}@8"
    assert take(sandbox, turn) == [turn, "", "answer", digest]
    # It is already applied when the turn comes again.
    turn = f"network-start={digest}@9"
    assert take(sandbox, turn) == [turn, "", "answer", digest]


def test_turn_of_another_update(sandbox: Sandbox) -> None:
    """A turn for what the node does not have is not taken, and the answer reports it."""
    step(sandbox, IN_USE, TURN)
    step(sandbox, IN_USE, VERSION="2")
    problem, turn, reason, *rest = take(sandbox, "network-start=0123456789abcdef@1")
    assert turn == "network-start=0123456789abcdef@1"
    assert problem == reason
    assert "does not have this version of the step network/start" in reason
    assert rest[:2] == ["answer", "network-start"]


def test_failed_turn(sandbox: Sandbox) -> None:
    """A step that fails at its turn is the answer, and waits for another turn."""
    step(sandbox, IN_USE, TURN)
    digest = step(sandbox, IN_USE, "touch /run/disk-full", VERSION="2").outputs["turn"]
    problem, turn, reason, *rest = take(sandbox, f"network-start={digest}@1")
    assert turn == f"network-start={digest}@1"
    assert problem == reason
    assert "disk full" in reason
    assert rest == ["answer", "network-start", "unfinished"]
    # The former version does not apply at once then: the node may have changed half.
    assert step(sandbox, IN_USE).outputs["turn"]
