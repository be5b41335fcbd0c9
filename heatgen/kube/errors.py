# SPDX-License-Identifier: Apache-2.0
"""Failures of requests to the Kubernetes API, and of operations that wait for a cluster."""

import json
from typing import Any

from heatgen.yamlio.codes import Code


class KubernetesFailed(Exception):
    """A request to the Kubernetes API failed, or the cluster does not permit an operation."""

    def __init__(self, message: str, hint: str, *, code: Code) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class Refused(KubernetesFailed):
    """The API responded with a status of failure.

    Args:
        request: method and path.
        status: HTTP status.
        body: body of the response, a ``Status`` of Kubernetes.
    """

    def __init__(self, request: str, status: int, body: bytes) -> None:
        self.status = status
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        self.details: dict[str, Any] = found if isinstance(found, dict) else {}
        self.reason = str(self.details.get("message") or body[:200].decode(errors="replace"))
        hint = (
            "the kubeconfig must be that of the administrator; run 'heatgen kubeconfig STACK'"
            if status in (401, 403)
            else "check the state of the cluster with 'kubectl get nodes' and try again"
        )
        message = f"{request}: HTTP {status}: {self.reason}"
        super().__init__(message, hint, code=Code.KUBERNETES_REFUSED)

    @property
    def causes(self) -> list[dict[str, Any]]:
        """The causes of the failure, each with ``reason`` and ``message``."""
        details = self.details.get("details")
        return list(details.get("causes") or []) if isinstance(details, dict) else []

    def cause(self, reason: str) -> str:
        """Return the message of a cause; '' if the failure has another cause."""
        return next(
            (str(item.get("message")) for item in self.causes if item.get("reason") == reason), ""
        )
