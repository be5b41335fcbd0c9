# SPDX-License-Identifier: Apache-2.0
"""Stable codes of check failures. Messages may change, codes may not.

``doc/reference/check-failures.rst`` is generated from this enumeration.
"""

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """What a check found, in one word for programs; ``description`` is one sentence for people."""

    description: str

    def __new__(cls, value: str, description: str) -> Self:
        """Return a member that carries its description."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.description = description
        return member

    UNSPECIFIED = "unspecified", "A failure without a code of its own."

    # Pods that the run creates.
    POD_NODE_UNRESPONSIVE = (
        "pod-node-unresponsive",
        "A pod cannot start because the kubelet of its node has stopped reporting.",
    )
    POD_NOT_RUNNING = "pod-not-running", "A pod was not ready in time, or it cannot start."
    POD_NOT_SCHEDULED = "pod-not-scheduled", "The scheduler did not assign a pod to a node in time."
    POD_NOT_EVALUATED = (
        "pod-not-evaluated",
        "The scheduler neither assigned a pod to a node nor gave a reason in time.",
    )
    POD_SCHEDULED_UNEXPECTEDLY = (
        "pod-scheduled-unexpectedly",
        "The scheduler assigned a pod to a node although no node satisfies its constraints.",
    )
    POD_ON_WRONG_NODE = (
        "pod-on-wrong-node",
        "The scheduler assigned a pod to a node that does not satisfy its constraints.",
    )
