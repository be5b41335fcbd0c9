# SPDX-License-Identifier: Apache-2.0
"""Tokens of the run's service accounts."""

import json

from conformance.deploy.live import RunHandle
from conformance.manifests.base import TOKEN_SECONDS


def token(live: RunHandle, account: str, audience: str = "") -> str:
    """Request a token of the account; the caller uses it at once and does not store it."""
    audiences = {"audiences": [audience]} if audience else {}
    body = {"spec": {"expirationSeconds": TOKEN_SECONDS, **audiences}}
    answer = live.cluster.request("POST", f"{live.path('serviceaccounts', account)}/token", body)
    return str(json.loads(answer)["status"]["token"])
