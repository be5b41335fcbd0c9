# SPDX-License-Identifier: Apache-2.0
"""Tests of the step orchestration/ready: versions of kubelets and CoreDNS, replicas that crash."""

from __future__ import annotations

import pytest

from .conftest import HOT, Result, Sandbox

STEP = HOT / "blocks/orchestration/kubernetes/30-ready.sh"
IMAGE = "registry.k8s.io/coredns/coredns:v1.12.4@sha256:0123"
MANIFEST = f'{{"items": [{{"containers": [{{"image": "{IMAGE}"}}]}}]}}'
LOOP = "[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :53) detected"

# Of three replicas of CoreDNS, coredns-a has crashed, coredns-c is starting.
PROLOGUE = f"""
mkdir -p /opt/heatgen/bin /etc/kubernetes/pki /run/stub
touch /etc/kubernetes/pki/ca.crt
cat >/opt/heatgen/bin/kubectl <<'END'
#!/bin/bash
case "$*" in
    *" delete pod "*) echo "$*" >&2; [ -n "${{REPAIRABLE:-}}" ] && touch /run/stub/recreated ;;
    *" rollout status "*) [ -e /run/stub/recreated ] ;;
    *" get pods "*jsonpath*) printf 'coredns-a false 3\\ncoredns-b true 0\\ncoredns-c false 0\\n' ;;
    *" get pods "*) printf 'coredns-a 0/1 CrashLoopBackOff\\ncoredns-b 1/1 Running\\n' ;;
    *" logs "*) printf '%s\\n' 'linux/amd64, go1.25' '{LOOP}' ;;
    *" get nodes "*kubeletVersion*) printf '%b' "$NODE_LINES" ;;
    *" get nodes "*) printf 'demo-worker-0|%s|\\n' "$TAINTS" ;;
    *" get deployment "*.image*) printf '%s' "$DEPLOYED" ;;
    *" get deployment "*observedGeneration*) printf '%s' "$DEPLOYMENT" ;;
    *" -f -") cat >/dev/null ;; # else the writer may get SIGPIPE
esac
END
chmod +x /opt/heatgen/bin/kubectl
"""


def ready(sandbox: Sandbox, workers: int = 1, **environment: str) -> Result:
    """Run the step, which waits for nodes and cluster DNS only once."""
    script = sandbox.folder / "ready.sh"
    step = STEP.read_text()
    for wait in ("wait_for 240 ", "wait_for 180 "):
        assert wait in step
        step = step.replace(wait, "wait_for 0 ")
    (sandbox.folder / "step.sh").write_text(step)
    script.write_text(f"set -eu\n{PROLOGUE}\nexec /bin/bash {sandbox.folder}/step.sh\n")
    defaults = {
        "NODE_LINES": "demo-worker-0|v1.37.2|True|kubelet is posting ready status\\n",
        "DEPLOYED": IMAGE,
        "TAINTS": "",
        "DEPLOYMENT": "",
    }
    return sandbox.run(
        script,
        NAMES={"worker": {f"{index}": f"demo-worker-{index}" for index in range(workers)}},
        REGISTRATIONS={"worker": {f"{index}": "|" for index in range(workers)}},
        CONTROL_TRUST_REVISION="1",
        KUBERNETES_VERSION="1.37.2",
        COREDNS_MANIFEST=MANIFEST,
        RESTORED="",
        ROLL=(STEP.parent / "roll.sh").read_text(),
        ROLLS="worker 1 minor 300 1.37.2",
        TURNS={"orchestration-node": {"worker": {"0": ""}}},
        **{**defaults, **environment},
    )


def test_crashing_replicas_are_recreated(sandbox: Sandbox) -> None:
    """A replica that crashed is recreated with the current name servers; the others are kept."""
    result = ready(sandbox, REPAIRABLE="yes")
    assert result.status == 0, result.stderr
    deleted = [line for line in result.stderr.splitlines() if " delete pod " in line]
    assert len(deleted) == 1
    assert " coredns-a " in deleted[0]


def test_reason_of_a_crash_is_reported(sandbox: Sandbox) -> None:
    """If replicas still crash, the reason of the step contains the state and the log message."""
    result = ready(sandbox)
    assert result.status == 1
    assert "CrashLoopBackOff" in result.problem
    assert LOOP in result.problem


@pytest.mark.parametrize("version", ["v1.37.2", "v1.37.2-site.1", "v1.37.2+site"])
def test_version_of_kubelets(sandbox: Sandbox, version: str) -> None:
    """A kubelet of the version, or of a build of it, is accepted."""
    result = ready(sandbox, NODE_LINES=f"demo-worker-0|{version}|True|\\n", REPAIRABLE="yes")
    assert result.status == 0, result.problem
    assert "Kubernetes 1.37.2: 1 nodes are Ready" in result.stdout


@pytest.mark.parametrize("version", ["v1.36.3", "v1.37.20", "v1.37.1"])
def test_other_version_of_a_kubelet(sandbox: Sandbox, version: str) -> None:
    """A node that is Ready with another kubelet fails the step, which names node and version."""
    result = ready(sandbox, NODE_LINES=f"demo-worker-0|{version}|True|\\n")
    assert result.status == 1
    assert "all nodes are Ready with the kubelet of their version: 1 of 1: " in result.problem
    assert result.problem.endswith(f"the kubelet of demo-worker-0 has version {version[1:]}")


def test_all_nodes_are_named(sandbox: Sandbox) -> None:
    """The reason names the nodes that are missing, not Ready or old, at most five of them."""
    states = "demo-worker-1|v1.37.2|False|container runtime is down\\n"
    states += "demo-worker-2|v1.36.3|True|\\ndemo-worker-3|v1.37.2|True|\\n"
    result = ready(sandbox, workers=8, NODE_LINES=states)
    assert result.status == 1
    assert "7 of 8: demo-worker-0 is not registered" in result.problem
    assert "; demo-worker-1 is not Ready (container runtime is down); " in result.problem
    assert "; the kubelet of demo-worker-2 has version 1.36.3; " in result.problem
    assert "demo-worker-3" not in result.problem
    assert result.problem.endswith("; demo-worker-5 is not registered; and 2 more")


def test_other_image_of_coredns(sandbox: Sandbox) -> None:
    """While the Deployment has another image, available replicas do not count."""
    result = ready(sandbox, DEPLOYED="registry.k8s.io/coredns/coredns:v1.11.1", REPAIRABLE="yes")
    assert result.status == 1
    assert f"has the image registry.k8s.io/coredns/coredns:v1.11.1, not {IMAGE}" in result.problem


@pytest.mark.parametrize(
    ("rollout", "status"),
    [("3|3|2|2|1", 0), ("4|3|2|2|1", 1), ("3|3|3|2|1", 1), ("3|3|2|2|", 1), ("3|3|2||1", 1)],
    ids=["new", "not-observed", "old-pod", "none-available", "none-updated"],
)
def test_one_schedulable_node(sandbox: Sandbox, rollout: str, status: int) -> None:
    """With one schedulable node one replica is enough, but not one of the former version."""
    assert ready(sandbox, DEPLOYMENT=rollout).status == status
