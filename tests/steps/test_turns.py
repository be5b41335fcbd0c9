# SPDX-License-Identifier: Apache-2.0
"""Tests of steps that wait for the turn of their node, hot/lib/turns.sh."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from .conftest import HOT, Result, Sandbox

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
evict=()
[ ! -e /run/evict ] || evict=(--evict)
by_turn "${evict[@]}" "$TOOL_ARTIFACT"
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
        {"RESTORED": "0123456789abcdef"},
        {"deploy_action": "UPDATE"},
        {"TOOL_ARTIFACT": "https://two.example/tool abc"},
        {"HEATGEN_TIMEOUT": "900"},
    ],
    ids=["none", "certificates", "labels", "restore", "action", "mirror", "timeout"],
)
def test_changes_that_do_not_wait(sandbox: Sandbox, change: dict[str, str]) -> None:
    """The same version, certificates, labels and another mirror do not wait for a turn."""
    step(sandbox, IN_USE, TURN)
    result = step(sandbox, IN_USE, **change)
    assert (result.status, result.stdout) == (0, "ran with 1\n"), result.stderr
    assert result.outputs["turn"] == ""


@pytest.mark.parametrize("change", [{"TOOL_ARTIFACT": "https://one.example/tool def"}, {"NEW": ""}])
def test_changes_that_wait(sandbox: Sandbox, change: dict[str, str]) -> None:
    """Another artifact of the same version, and a new input, wait for the turn."""
    step(sandbox, IN_USE, TURN)
    assert step(sandbox, IN_USE, **change).outputs["turn"]


@pytest.mark.parametrize("recorded", ["orchestration-node", "runtime-start"])
def test_first_run_on_a_new_node(sandbox: Sandbox, recorded: str) -> None:
    """Steps of a new node run side by side: the first run never waits, also after the kubelet's."""
    before = IN_USE.replace("orchestration-node", recorded)
    result = step(sandbox, "touch /run/active", before)
    assert (result.status, result.stdout) == (0, "ran with 1\n"), result.stderr
    assert result.outputs["turn"] == ""


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


def test_node_of_an_older_version_after_a_failed_turn(sandbox: Sandbox) -> None:
    """The first steps of its turn are recorded; others wait, also if the kubelet has failed."""
    assert step(sandbox, "touch /run/active").outputs["turn"]
    failed = IN_USE.replace("orchestration-node", "runtime-start")
    assert step(sandbox, "rm /run/active", failed, VERSION="2").outputs["turn"]


TAKE = """
source "$HEATGEN_LIB/step.sh"
trap - ERR
set +e
fetch() { :; }
take_turn "$TURN"
cat /var/lib/heatgen/staged/answer
ls /var/lib/heatgen/staged
cat /var/lib/heatgen/applied/network-start 2>/dev/null || true
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


def test_turn_that_evicts(sandbox: Sandbox) -> None:
    """A step can require that pods are evicted before its turn; the digest is that of the step."""
    step(sandbox, IN_USE, TURN)
    turn = step(sandbox, IN_USE, "touch /run/evict", VERSION="2").outputs["turn"]
    digest, _, suffix = turn.partition(".")
    assert suffix == "evict"
    whole = f"network-start={turn}@1"
    assert take(sandbox, whole) == [whole, "", "answer", digest]


@pytest.mark.parametrize(("version", "changes"), [("1.2", False), ("1.20", True)])
def test_program_changes(sandbox: Sandbox, version: str, changes: bool) -> None:
    """The link to a program has its version."""
    script = sandbox.folder / "changes.sh"
    script.write_text(
        'set -euo pipefail\nsource "$HEATGEN_LIB/step.sh"\n'
        "ln -s /opt/heatgen/tea/1.2/bin/tea /opt/heatgen/bin/tea\n"
        'program_changes tea "$VERSION" && echo yes || echo no\n'
    )
    assert sandbox.run(script, VERSION=version).stdout == ("yes\n" if changes else "no\n")


NODE_STEP = HOT / "blocks/orchestration/kubernetes/20-node.sh"
PROGRAMS = {version: f"#!/bin/sh\necho v{version}\n" for version in ("1.36.3", "1.37.2")}


def node_step(sandbox: Sandbox, version: str, last: str) -> Result:
    """Run commands on a node with the inputs of orchestration/node for a version."""
    program = PROGRAMS[version]
    digest = hashlib.sha256(program.encode()).hexdigest()
    cache = (
        f"mkdir -p /opt/heatgen/cache /run/heatgen-fetched /etc/kubernetes/pki\n"
        f"printf '%s' '{program}' >/opt/heatgen/cache/{digest}\n"
        f"touch /run/heatgen-fetched/{digest} /etc/kubernetes/pki/ca.crt\n"
        "printf '%s\\n' '#!/bin/bash' \"echo '\\\"minor\\\": \\\"99\\\"'\" >/run/stub/curl\n"
        "printf '%s\\n' '#!/bin/bash' 'echo \"192.0.2.1 dev eth0 src 192.0.2.20\"' >/run/stub/ip\n"
        "printf '#!/bin/bash\\n' >/run/stub/iptables\n"
        "chmod +x /run/stub/*\necho 'nameserver 192.0.2.2' >/etc/resolv.conf\n"
        "mkdir -p /etc/systemd/system\n"
    )
    script = sandbox.folder / "node.sh"
    script.write_text(f"set -eu\n{STUBS}\n{cache}\n{last}\n")
    texts = dict.fromkeys(
        ("KUBELET_UNIT", "KUBELET_CERTIFICATES", "KUBE_PROXY_UNIT", "KUBE_PROXY_CONFIG",
         "GROUP_LABELS", "GROUP_TAINTS", "TRUST_REVISION", "SIGNING"), "x",
    )  # fmt: skip
    return sandbox.run(
        script,
        **texts,
        HEATGEN_STEP="orchestration/node",
        KUBELET_VERSION=version,
        API_URL="https://192.0.2.9:6443",
        CONTROL_PLANE_ADDRESSES="192.0.2.10",
        KUBELET_ARTIFACT=f"http://mirror.invalid/kubelet {digest}",
        KUBE_PROXY_ARTIFACT=f"http://mirror.invalid/kube-proxy {digest}",
        KUBELET_CONFIG='{"kind": "KubeletConfiguration"}',
    )


def test_real_step_of_a_node(sandbox: Sandbox) -> None:
    """The step orchestration/node runs at once on a new node, later at its turn; nothing before."""
    kubelet = sandbox.file("/opt/heatgen/bin/kubelet")
    run = f"cp {NODE_STEP} {sandbox.folder}/script; exec {sandbox.folder}/script"
    result = node_step(sandbox, "1.36.3", run)
    assert (result.status, result.outputs["turn"]) == (0, ""), result.stderr
    assert result.stdout.endswith("has joined the cluster.\n")
    assert "/1.36.3/" in str(kubelet.readlink())
    result = node_step(sandbox, "1.37.2", run)
    assert result.status == 0, result.stderr
    assert result.outputs["registration"] == "x|x"
    assert "/1.36.3/" in str(kubelet.readlink())
    calls = sandbox.file("/run/calls")
    calls.unlink()
    turn = f"orchestration-node={result.outputs['turn']}@1"
    result = node_step(sandbox, "1.37.2", f"export TURN={turn}\n{TAKE}")
    assert result.stdout.splitlines()[1:] == [turn, "", "answer"], result.stderr
    assert "/1.37.2/" in str(kubelet.readlink())
    assert "systemctl restart kubelet.service" in calls.read_text()


@pytest.mark.parametrize("agent", ["heatgen-agent", "heatgen-agent.sh"])
def test_step_that_an_agent_runs(sandbox: Sandbox, agent: str) -> None:
    """The step that an agent runs and the one at the turn have the same digest and inputs."""
    if agent.endswith(".sh") and not shutil.which("jq"):
        pytest.skip("jq is not installed")
    inputs = {
        "HEATGEN_STEP": "network/start",
        "HEATGEN_LIB": str(HOT / "lib"),
        "HEATGEN_TIMEOUT": "60",
        "VERSION": "2",
        "TOOL_ARTIFACT": "https://one.example/tool abc",
        "NAMES": {"worker": {"0": "demo-worker-0"}},
        "LARGE": "x" * 200_000,
        "deploy_action": "UPDATE",
    }
    config = {
        "config": STEP,
        "inputs": [{"name": name, "value": value} for name, value in inputs.items()],
    }
    folder = sandbox.folder / "step@1"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    script = sandbox.folder / "agent.sh"
    recorded = IN_USE.replace("orchestration-node", "network-start")
    script.write_text(f"{STUBS}\n{IN_USE}\n{recorded}\nexec {HOT / 'agent' / agent} run {folder}\n")
    done = sandbox.run(script)
    assert done.status == 0, done.stderr
    result = json.loads((folder / "result.json").read_text())
    assert result["deploy_status_code"] == 0, result
    turn = f"network-start={result['turn']}@1"
    staged = sandbox.file("/var/lib/heatgen/staged/network-start")
    assert (staged / "inputs.NAMES.d" / "worker" / "0").read_text() == "demo-worker-0"
    assert take(sandbox, turn) == [turn, "", "answer", result["turn"]]
