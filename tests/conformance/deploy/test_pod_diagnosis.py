# SPDX-License-Identifier: Apache-2.0
"""Diagnosis of pods that cannot run: causes, and when they are reported."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.deploy import pod_diagnosis
from conformance.deploy.pod_monitor import SCHEDULER, inactive_reason
from conformance.facts.model import Leader

Json = dict[str, Any]
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FAILED = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to "
SANDBOX = FAILED + 'get sandbox image "{}": failed to pull image "{}": failed to unpack: not found'
SUBNET = (
    FAILED + 'setup network: plugin type="flannel" failed (add): loadFlannelSubnetEnv failed: '
    "open /run/flannel/subnet.env: no such file or directory"
)
PAUSE = "registry.k8s.io/pause:3.10.1"


def pod(age: float, node: str = "a", **status: Any) -> Json:
    """Return a pending pod, created ``age`` seconds ago and accepted by its kubelet."""
    return {
        "metadata": {"name": "p", "creationTimestamp": (NOW - timedelta(seconds=age)).isoformat()},
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": "Pending", "startTime": "2026-11-24T02:59:00Z", **status},
    }


def event(reason: str, message: str, ago: float = 1) -> Json:
    """Return an event of the pod."""
    stamp = (NOW - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"reason": reason, "message": message, "lastTimestamp": stamp}


def waiting(reason: str, message: str = "") -> Json:
    """Return the status of a pod with a waiting container."""
    return {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (SANDBOX.format(PAUSE, PAUSE), f"no sandbox image {PAUSE} ("),
        (SANDBOX.format(f"{PAUSE}@sha256:0", PAUSE), f"no sandbox image {PAUSE} ("),
        (
            f'{FAILED}pull image "{PAUSE}@sha256:0": failed to pull image "other": refused',
            f"no sandbox image {PAUSE} (",
        ),
        (SUBNET, "flannel has not written /run/flannel/subnet.env ("),
        ('failed to find plugin "bridge" in path [/opt/cni/bin]', "the CNI plug-in bridge is not"),
        ("an unknown message", "FailedCreatePodSandBox: an unknown message"),
    ],
)
def test_sandbox_failure_is_reported_with_its_cause(message: str, cause: str) -> None:
    """Known messages are shortened to a cause; failures of a new pod are ignored."""
    events = [event("FailedCreatePodSandBox", message, ago) for ago in (13, 1)]
    assert pod_diagnosis.of_pod(pod(13), events, None, NOW).startswith(cause)
    assert pod_diagnosis.of_pod(pod(11), events, None, NOW) == ""


def test_unknown_sandbox_failure_is_reported_if_it_repeats() -> None:
    """A single one may be a race, such as two cgroups created at once; the kubelet retries."""
    once = event("FailedCreatePodSandBox", "mkdir /sys/fs/cgroup/devices/x: no such file", 14)
    assert pod_diagnosis.of_pod(pod(15), [once], None, NOW) == ""
    assert pod_diagnosis.of_pod(pod(15), [{**once, "count": 2}], None, NOW)
    known = event("FailedCreatePodSandBox", SANDBOX.format(PAUSE, PAUSE), 14)
    assert pod_diagnosis.of_pod(pod(15), [known], None, NOW)


def test_failure_before_progress_is_ignored() -> None:
    """A later event of another step means that the pod may start."""
    events = [event("FailedMount", "not yet", ago=9), event("Pulling", "image", ago=3)]
    assert pod_diagnosis.of_pod(pod(60), events, None, NOW) == ""
    assert pod_diagnosis.of_pod(pod(60), list(reversed(events)), None, NOW) == ""


def test_running_pull_is_waited_for() -> None:
    """A slow pull is not a failure; a failed pull is, after some time."""
    status = waiting("ContainerCreating")
    assert pod_diagnosis.of_pod(pod(50, **status), [event("Pulling", "image", 49)], None, NOW) == ""
    failed = waiting("ImagePullBackOff", 'Back-off pulling image "x": not found')
    assert "ImagePullBackOff: Back-off" in pod_diagnosis.of_pod(pod(13, **failed), [], None, NOW)
    assert pod_diagnosis.of_pod(pod(5, **failed), [], None, NOW) == ""


def test_unresponsive_kubelet_is_detected_by_its_lease() -> None:
    """The Lease expires within seconds; the condition Ready changes after forty to fifty."""
    assert "31 s ago" in pod_diagnosis.of_pod(pod(9), [], timedelta(seconds=31), NOW)
    assert pod_diagnosis.of_pod(pod(9), [], timedelta(seconds=11), NOW) == ""
    pending = pod(26, startTime=None)
    assert "within 26 s" in pod_diagnosis.of_pod(pending, [], None, NOW)


def test_pod_rejected_by_its_kubelet_has_failed() -> None:
    """The phase Failed is final."""
    failed = pod(1, phase="Failed", reason="OutOfpods", message="Node didn't have enough resource")
    assert pod_diagnosis.of_pod(failed, [], None, NOW).startswith("OutOfpods")


def test_unscheduled_pod_is_diagnosed_by_the_lease_of_the_scheduler() -> None:
    """An expired Lease is the cause, unless the scheduler has given a reason for the pod."""
    cause = inactive_reason(SCHEDULER, {SCHEDULER: Leader(holder="a_1", age=31, term=15)})
    assert all(text in cause for text in (SCHEDULER, "a_1", "31 s"))
    assert inactive_reason(SCHEDULER, {SCHEDULER: Leader(holder="a_1", age=16, term=15)}) == ""
    assert inactive_reason(SCHEDULER, {}) == ""
    assert pod_diagnosis.of_unscheduled_pod(pod(9, node=""), cause, NOW) == cause
    assert pod_diagnosis.of_unscheduled_pod(pod(3, node=""), cause, NOW) == ""
    condition = {"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 nodes"}
    rejected = pod(9, node="", conditions=[condition])
    assert pod_diagnosis.of_unscheduled_pod(rejected, cause, NOW) == ""


def test_long_message_is_cut_in_the_middle() -> None:
    """The cause is usually at the end of a runtime's message."""
    shortened = pod_diagnosis.meaning("begin " + "x" * 500 + " the cause")
    assert shortened.startswith("begin ")
    assert shortened.endswith(" the cause")
    assert len(shortened) < 260
