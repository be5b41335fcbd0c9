# SPDX-License-Identifier: Apache-2.0
"""Why a pod will never run: told early enough, never too early, in few words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from conformance.deploy import pod_diagnosis
from conformance.deploy.pod_monitor import SCHEDULER, missing
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
    """A pod made `age` seconds ago that does not run; its kubelet has taken it."""
    return {
        "metadata": {"name": "p", "creationTimestamp": (NOW - timedelta(seconds=age)).isoformat()},
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": "Pending", "startTime": "2026-11-24T02:59:00Z", **status},
    }


def event(reason: str, message: str, ago: float = 1) -> Json:
    """An event of the pod."""
    stamp = (NOW - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"reason": reason, "message": message, "lastTimestamp": stamp}


def waiting(reason: str, message: str = "") -> Json:
    """The status of a container that waits."""
    return {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (SANDBOX.format(PAUSE, PAUSE), f"no sandbox image {PAUSE} ("),
        (SANDBOX.format(f"{PAUSE}@sha256:0", PAUSE), f"no sandbox image {PAUSE} ("),
        (
            f'{FAILED}pull image "{PAUSE}@sha256:0": failed to pull image "other": refused',
            f"no sandbox image {PAUSE} (",
        ),
        (SUBNET, "flannel has not written /run/flannel/subnet.env ("),
        ('failed to find plugin "bridge" in path [/opt/cni/bin]', "the CNI plug-in bridge is not"),
        ("something that nobody has seen before", "FailedCreatePodSandBox: something that nobody"),
    ],
)
def test_sandbox_that_cannot_be_made_is_told_by_its_cause(message: str, said: str) -> None:
    """The event's long message comes to a few words; a first try may have come too early."""
    events = [event("FailedCreatePodSandBox", message, ago) for ago in (13, 1)]
    assert pod_diagnosis.of_pod(pod(13), events, None, NOW).startswith(said)
    assert pod_diagnosis.of_pod(pod(11), events, None, NOW) == ""


def test_sandbox_that_failed_once_for_no_known_cause_may_be_made_yet() -> None:
    """Two that make control groups at once, and one loses: the kubelet tries again."""
    once = event("FailedCreatePodSandBox", "mkdir /sys/fs/cgroup/devices/x: no such file", 14)
    assert pod_diagnosis.of_pod(pod(15), [once], None, NOW) == ""
    assert pod_diagnosis.of_pod(pod(15), [{**once, "count": 2}], None, NOW)
    known = event("FailedCreatePodSandBox", SANDBOX.format(PAUSE, PAUSE), 14)
    assert pod_diagnosis.of_pod(pod(15), [known], None, NOW)


def test_try_that_succeeded_later_is_forgotten() -> None:
    """An event after the failed one shows that things move."""
    events = [event("FailedMount", "not yet", ago=9), event("Pulling", "image", ago=3)]
    assert pod_diagnosis.of_pod(pod(60), events, None, NOW) == ""
    assert pod_diagnosis.of_pod(pod(60), list(reversed(events)), None, NOW) == ""


def test_image_that_is_pulled_is_waited_for() -> None:
    """A slow registry is no broken one."""
    status = waiting("ContainerCreating")
    assert pod_diagnosis.of_pod(pod(50, **status), [event("Pulling", "image", 49)], None, NOW) == ""
    failed = waiting("ImagePullBackOff", 'Back-off pulling image "x": not found')
    assert "ImagePullBackOff: Back-off" in pod_diagnosis.of_pod(pod(13, **failed), [], None, NOW)
    assert pod_diagnosis.of_pod(pod(5, **failed), [], None, NOW) == ""


def test_silent_kubelet_is_told_before_its_node_is_given_up() -> None:
    """The lease tells it within seconds; the condition Ready would take forty to fifty."""
    silence = timedelta(seconds=31)
    assert "silent: the last sign of it was 31 s ago" in pod_diagnosis.of_pod(
        pod(9), [], silence, NOW
    )
    assert pod_diagnosis.of_pod(pod(9), [], timedelta(seconds=11), NOW) == ""
    untouched = pod(26, startTime=None)
    assert "has not taken the pod in 26 s" in pod_diagnosis.of_pod(untouched, [], None, NOW)


def test_pod_that_was_refused_by_its_kubelet_has_failed() -> None:
    """Phase Failed is for good."""
    failed = pod(1, phase="Failed", reason="OutOfpods", message="Node didn't have enough resource")
    assert pod_diagnosis.of_pod(failed, [], None, NOW).startswith("OutOfpods")


def test_pod_without_a_node_waits_for_a_scheduler_that_lives() -> None:
    """A stale lease is the cause; a scheduler that said why is at work."""
    gone = {SCHEDULER: Leader(holder="a_1", age=31, term=15)}
    told = missing(SCHEDULER, gone)
    assert told == "no kube-scheduler acts: its lease was renewed 31 s ago, by a_1"
    assert missing(SCHEDULER, {SCHEDULER: Leader(holder="a_1", age=16, term=15)}) == ""
    assert missing(SCHEDULER, {}) == ""
    assert pod_diagnosis.of_placing(pod(9, node=""), told, NOW) == told
    assert pod_diagnosis.of_placing(pod(3, node=""), told, NOW) == ""
    refused = {"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 nodes"}
    assert pod_diagnosis.of_placing(pod(9, node="", conditions=[refused]), told, NOW) == ""


def test_long_messages_keep_their_beginning_and_their_end() -> None:
    """The cause stands at the end of what runtimes say."""
    said = pod_diagnosis.meaning("begin " + "x" * 500 + " the cause")
    assert said.startswith("begin ")
    assert said.endswith(" the cause")
    assert len(said) < 260
