# SPDX-License-Identifier: Apache-2.0
"""Start time and image pull of a pod."""

from conformance.api import pods


def test_start_is_measured_after_the_image_pull() -> None:
    """By the kubelet's clock: from the start of the pod, or from the event Pulled if later."""
    pod = {
        "status": {
            "startTime": "2026-11-24T03:00:00Z",
            "containerStatuses": [{"state": {"running": {"startedAt": "2026-11-24T03:00:09Z"}}}],
        }
    }
    assert pods.starting_seconds(pod, []) == 9
    pulled = [{"reason": "Pulled", "lastTimestamp": "2026-11-24T03:00:07Z"}]
    assert pods.starting_seconds(pod, pulled) == 2


def test_pod_that_waits_for_its_image_is_recognized() -> None:
    """The pull failed or has not finished; a pod that is only scheduled does not wait for it."""
    refused = {
        "status": {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}
    }
    assert pods.is_pulling(refused, [])
    assert pods.is_pulling({}, [{"reason": "Scheduled"}, {"reason": "Pulling"}])
    assert not pods.is_pulling({}, [{"reason": "Pulling"}, {"reason": "Pulled"}])
    assert not pods.is_pulling({}, [{"reason": "Scheduled"}])
