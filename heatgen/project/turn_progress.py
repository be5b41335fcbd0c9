# SPDX-License-Identifier: Apache-2.0
"""The progress of nodes that change in turn, from the API of a cluster.

The step ``orchestration/ready`` writes it to the ConfigMap ``heatgen-roll``; Heat knows only that
the step is in progress.
"""

import base64
import http.client
import json
import ssl
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

from heatgen.yamlio import document

PATH = "/api/v1/namespaces/kube-system/configmaps/heatgen-roll"
TIMEOUT = 10.0
"""Seconds for the connection, and for the response."""


def read(kubeconfig: str) -> str:
    """Return the progress; '' if no nodes have changed in turn, or the API does not respond.

    Args:
        kubeconfig: text of the administrator's kubeconfig, with all data in it.
    """
    config = document.parse("kubeconfig", kubeconfig.encode()).data
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    server = urllib.parse.urlsplit(cluster["server"])
    try:
        context = _context(cluster, user)
        connection = http.client.HTTPSConnection(
            str(server.hostname), server.port, timeout=TIMEOUT, context=context
        )
        connection.request("GET", PATH)
        response = connection.getresponse()
        found = json.loads(response.read()) if response.status == http.HTTPStatus.OK else {}
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    return str((found.get("data") or {}).get("progress", ""))


def _context(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    """Return a TLS context with authority, certificate and key."""
    authority = _decoded(cluster["certificate-authority-data"])
    context = ssl.create_default_context(cadata=authority)
    with tempfile.TemporaryDirectory(prefix="heatgen-status-") as folder:
        # The ssl module reads keys from files only; the directory has mode 0700.
        pair = Path(folder) / "pair.pem"
        pair.touch(mode=0o600)
        certificate, key = user["client-certificate-data"], user["client-key-data"]
        pair.write_text(f"{_decoded(certificate)}\n{_decoded(key)}")
        context.load_cert_chain(pair)
    return context


def _decoded(data: str) -> str:
    """Return the text of base64 data."""
    return base64.b64decode(data).decode()
