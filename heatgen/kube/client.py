# SPDX-License-Identifier: Apache-2.0
"""Edge: client of the Kubernetes API with the credentials of a kubeconfig."""

import importlib
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from heatgen.kube.errors import KubernetesFailed, Refused
from heatgen.yamlio.codes import Code

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
PATIENCE = 30.0
"""Seconds in which requests are repeated, as in a failover of the API's address."""
PAUSE = 1.0
MERGE = "application/merge-patch+json"
_BUSY = (429, 500, 502, 503, 504)
"""Statuses of an API server that is starting, overloaded or without a connection to etcd."""

Object = dict[str, Any]


class Api:
    """The API of a cluster. All requests may be repeated: they give the same result.

    Args:
        kubeconfig: a kubeconfig, or the path of one.
    """

    def __init__(self, kubeconfig: Mapping[str, Any] | Path) -> None:
        # Imported here because the library is large.
        client: Any = importlib.import_module("kubernetes.client.configuration")
        loader: Any = importlib.import_module("kubernetes.config.kube_config")
        rest: Any = importlib.import_module("kubernetes.client.rest")
        self._configuration = client.Configuration()
        self._configuration.retries = False
        try:
            if isinstance(kubeconfig, Path):
                loader.load_kube_config(str(kubeconfig), client_configuration=self._configuration)
            else:
                loader.load_kube_config_from_dict(
                    dict(kubeconfig), client_configuration=self._configuration
                )
        except Exception as error:  # noqa: BLE001  the loader passes on what libraries raise
            message = f"cannot load the kubeconfig: {error}"
            hint = "pass the administrator's key with --key, or a kubeconfig with --kubeconfig"
            raise KubernetesFailed(message, hint, code=Code.NOT_A_KUBECONFIG) from None
        self._pool = rest.RESTClientObject(self._configuration).pool_manager
        self._ahead = timedelta()

    @property
    def server(self) -> str:
        """URL of the API."""
        return str(self._configuration.host)

    def now(self) -> datetime:
        """Return the time of the API server's clock; the local clock may be wrong."""
        return datetime.now(UTC) + self._ahead

    def get(self, path: str, **query: str) -> Object:
        """Return an object or list."""
        return self.request("GET", path, query=query)

    def items(self, path: str, **query: str) -> list[Object]:
        """Return the items of a list."""
        return list(self.get(path, **query)["items"])

    def patch(self, path: str, change: Mapping[str, Any]) -> Object:
        """Apply a JSON merge patch to an object, and return it."""
        return self.request("PATCH", path, change, MERGE)

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        kind: str = "application/json",
        query: Mapping[str, str] | None = None,
        patience: float | None = None,
    ) -> Object:
        """Send a request and return the response; repeat it while the API is not available.

        Args:
            method: of HTTP.
            path: of the object.
            body: an object or patch.
            kind: type of the body.
            query: parameters of the URL.
            patience: seconds in which it is repeated; by default :data:`PATIENCE`.

        Raises:
            Refused: the API responded with a status of failure.
            KubernetesFailed: it did not respond.
        """
        limit = time.monotonic() + (PATIENCE if patience is None else patience)
        while True:
            try:
                return self._send(method, path, body, kind, query or {})
            except Refused as refused:
                # A budget is the result of the request; 500 with a budget in the message, too.
                final = refused.status not in _BUSY or "isruption" in str(refused.details)
                if final or time.monotonic() > limit:
                    raise
            except KubernetesFailed:
                if time.monotonic() > limit:
                    raise
            time.sleep(PAUSE)

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        kind: str,
        query: Mapping[str, str],
    ) -> Object:
        urllib3: Any = importlib.import_module("urllib3")
        token = (self._configuration.auth_settings() or {}).get("BearerToken", {}).get("value")
        headers = {"Accept": "application/json", "Content-Type": kind}
        try:
            answer = self._pool.request(
                method,
                self.server + path + (f"?{urlencode(query)}" if query else ""),
                body=None if body is None else json.dumps(body),
                headers=headers | ({"authorization": token} if token else {}),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
                retries=False,
            )
        except Exception as error:  # noqa: BLE001  urllib3, ssl and socket each have their own
            reason = str(error).rpartition(": ")[2] or type(error).__name__
            message = f"the Kubernetes API {self.server} does not respond: {reason}"
            hint = "check the network to the API, and 'heatgen status STACK'"
            raise KubernetesFailed(message, hint, code=Code.KUBERNETES_UNREACHABLE) from None
        if date := answer.headers.get("Date"):
            self._ahead = parsedate_to_datetime(date) - datetime.now(UTC)
        if answer.status >= 400:
            raise Refused(f"{method} {path}", answer.status, bytes(answer.data))
        try:
            return dict(json.loads(answer.data))
        except ValueError:
            # A health endpoint responds with plain text.
            return {"text": answer.data.decode(errors="replace")}
