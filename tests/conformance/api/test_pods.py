# SPDX-License-Identifier: Apache-2.0
"""What a pod's API object tells of its start."""

from conformance.api import pods


def test_start_is_counted_from_when_the_image_was_there() -> None:
    """By the kubelet's clock alone: from its first look, or from the image, whichever was later."""
    pod = {
        "status": {
            "startTime": "2026-11-24T03:00:00Z",
            "containerStatuses": [{"state": {"running": {"startedAt": "2026-11-24T03:00:09Z"}}}],
        }
    }
    assert pods.starting_seconds(pod, []) == 9
    pulled = [{"reason": "Pulled", "lastTimestamp": "2026-11-24T03:00:07Z"}]
    assert pods.starting_seconds(pod, pulled) == 2


def test_pod_without_an_image_is_told_from_others() -> None:
    """Refused, or asked for and silent; a pod that nobody has begun with has another cause."""
    refused = {
        "status": {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]}
    }
    assert pods.is_pulling(refused, [])
    assert pods.is_pulling({}, [{"reason": "Scheduled"}, {"reason": "Pulling"}])
    assert not pods.is_pulling({}, [{"reason": "Pulling"}, {"reason": "Pulled"}])
    assert not pods.is_pulling({}, [{"reason": "Scheduled"}])
