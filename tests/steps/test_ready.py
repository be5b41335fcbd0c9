# SPDX-License-Identifier: Apache-2.0
"""Tests of the step orchestration/ready with replicas of CoreDNS that crash."""

from __future__ import annotations

from .conftest import HOT, Result, Sandbox

STEP = HOT / "blocks/orchestration/kubernetes/30-ready.sh"
LOOP = "[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :53) detected"

# A node and three replicas of CoreDNS; coredns-a has crashed, coredns-c is starting.
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
    *" get node "*) printf 'True kubelet is posting ready status' ;;
esac
END
chmod +x /opt/heatgen/bin/kubectl
"""


def ready(sandbox: Sandbox, **environment: str) -> Result:
    """Run the step, which waits for the cluster DNS only once."""
    script = sandbox.folder / "ready.sh"
    step = STEP.read_text()
    assert "wait_for 180 " in step
    (sandbox.folder / "step.sh").write_text(step.replace("wait_for 180 ", "wait_for 0 "))
    script.write_text(f"set -eu\n{PROLOGUE}\nexec /bin/bash {sandbox.folder}/step.sh\n")
    return sandbox.run(
        script,
        NAMES={"worker": {"0": "demo-worker-0"}},
        REGISTRATIONS={"worker": {"0": "|"}},
        CONTROL_TRUST_REVISION="1",
        **environment,
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
